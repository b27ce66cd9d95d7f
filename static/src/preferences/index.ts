/** Registers `<notifier-preferences>`; the bell loads this file when its preferences are opened. */
import { register } from "../elements/element.ts";
import { NotifierPreferences } from "./preferences.ts";

export { NotifierPreferences };

register("notifier-preferences", NotifierPreferences);

declare global {
  interface HTMLElementTagNameMap {
    "notifier-preferences": NotifierPreferences;
  }
}
