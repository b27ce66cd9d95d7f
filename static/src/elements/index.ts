/** Registers the elements; the classes alone, to register under other names, are exported too. */
import { NotifierBell } from "./bell.ts";
import { NotifierToasts } from "./toasts.ts";

export { NotifierBell, NotifierToasts };

customElements.define("notifier-bell", NotifierBell);
customElements.define("notifier-toasts", NotifierToasts);

declare global {
  interface HTMLElementTagNameMap {
    "notifier-bell": NotifierBell;
    "notifier-toasts": NotifierToasts;
  }
}
