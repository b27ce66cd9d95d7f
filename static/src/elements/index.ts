/** Registers the elements; the classes alone, to register under other names, are exported too. */
import { NotifierBell } from "./bell.ts";
import { register } from "./element.ts";
import { NotifierToasts } from "./toasts.ts";

export { NotifierBell, NotifierToasts };

register("notifier-bell", NotifierBell);
register("notifier-toasts", NotifierToasts);

declare global {
  interface HTMLElementTagNameMap {
    "notifier-bell": NotifierBell;
    "notifier-toasts": NotifierToasts;
  }
}
