import { en as elements } from "./en-elements.ts";
import type { Messages } from "./messages.ts";
import { preferences } from "./en-preferences.ts";

/** English, complete. */
export const en: Messages = { ...elements, preferences };
export default en;
