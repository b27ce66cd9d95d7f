/** Registers `<notifier-preferences>`; the bell loads this file when its preferences are opened. */
import { NotifierPreferences } from "./preferences.ts";

export { NotifierPreferences };

if (!customElements.get("notifier-preferences")) customElements.define("notifier-preferences", NotifierPreferences);

declare global {
  interface HTMLElementTagNameMap {
    "notifier-preferences": NotifierPreferences;
  }
}
