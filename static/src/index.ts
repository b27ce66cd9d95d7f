export { createNotifier, type NotifierOptions } from "./client/create.ts";
export type { Notifier } from "./client/notifier.ts";
export type { NotifierEvents, Snapshot } from "./client/snapshot.ts";
export type { ConnectionState } from "./client/connection.ts";
export type { TypeInfo } from "./client/catalogue.ts";
export { safeImage, safeUrl } from "./client/url.ts";
export { NotifierError } from "./client/errors.ts";
export {
  type Channel,
  type Day,
  DEFAULT_PREFERENCES,
  type Preferences,
  type PreferencesChange,
  type QuietHours,
} from "./client/preferences.ts";
export type { Counts, Entry, FeedEntry, Priority, Sender, StateChange } from "./client/protocol.ts";
export type { Decision, Rule } from "./display/display.ts";
export type { Item } from "./inbox/inbox.ts";
export type { Transport } from "./links/link.ts";
export { ago, exactly } from "./locales/ago.ts";
export { isUrgent } from "./toasts/presentation.ts";
export { Presenter } from "./toasts/presenter.ts";
export type { Toast } from "./toasts/queue.ts";
