import type { Item } from "../inbox/inbox.ts";
import type { Transport } from "../links/link.ts";
import type { ConnectionState } from "./connection.ts";
import type { NotifierError } from "./errors.ts";
import type { Preferences } from "./preferences.ts";
import type { Counts, StateChange } from "./protocol.ts";

/** All there is to show, as one immutable value; a new one after every change. */
export interface Snapshot extends Readonly<Counts> {
  readonly connection: ConnectionState;
  /** What carries the connection; undefined while it is not online. */
  readonly link: Transport | undefined;
  /** Newest first. */
  readonly items: readonly Item[];
  /** How far this client has read, as text; undefined before the first connection. */
  readonly cursor: string | undefined;
  /** False until the first page is here. */
  readonly loaded: boolean;
  /** True when older notifications can be loaded. */
  readonly more: boolean;
  /** Why the newest page could not be loaded. */
  readonly problem: NotifierError | undefined;
  /** True while "clear all" can be taken back. */
  readonly undoable: boolean;
  /** What the user has chosen: at once, and taken back if the server refuses. */
  readonly preferences: Preferences;
  /** True in the one tab of the browser that shows toasts and plays the sound. */
  readonly presents: boolean;
  /** True in the one tab of the browser that holds the connection. */
  readonly leads: boolean;
}

export interface NotifierEvents {
  /** A new notification, once. `replayed`: it was missed while away. */
  notification: { item: Item; replayed: boolean };
  /** These left the inbox without our doing: withdrawn, replaced, expired, dismissed elsewhere. */
  removed: { items: readonly Item[] };
  /** Another device of this user read, unread, saw or dismissed something. */
  state: StateChange;
  /** The toasts of these notifications (`notification_id`) were closed in another tab. */
  toastsClosed: { ids: readonly string[] };
  /** An action of this client was taken back; with the code `timeout`, until the server says whether it was done. */
  failed: NotifierError;
  /** The catalogue of types arrived: `typeInfo` knows more than before. */
  types: undefined;
  /** Everything that travels, for a protocol log; tokens excepted. */
  wire: { direction: "in" | "out"; name: string; payload: unknown };
}
