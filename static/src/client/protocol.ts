/** What travels between the client and the server; the names are those of the protocol. */
import type { Preferences, PreferencesChange } from "./preferences.ts";

export type Priority = "low" | "normal" | "high" | "critical";

export interface Sender {
  id: string;
  name: string;
  avatar?: string;
}

/** One notification at one place in one log, as the server delivers it. */
export interface Entry {
  /** `17@user:42`: seq, `@`, audience. */
  id: string;
  /** The same notification may arrive through several of a user's logs. */
  notification_id: string;
  type: string;
  priority: Priority;
  title: string;
  body?: string;
  sender?: Sender;
  icon?: string;
  url?: string;
  data?: unknown;
  actions?: readonly { label: string; url: string }[];
  collapse_key?: string;
  /** How many notifications this one gathers, and by whom: at most three, the newest first. */
  count?: number;
  senders?: readonly Sender[];
  /** The ids of entries in whose place this one comes. */
  replaces?: readonly string[];
  /** There were too many of its kind: it is for the bell alone. */
  silent?: boolean;
  /** This one sums up what came since then; the newest titles, at most five. */
  digest?: { since: string; titles: readonly string[] };
  /** RFC 3339, UTC, milliseconds. */
  created_at: string;
  expires_at: string;
}

/** An entry of a feed: with what this user did with it. */
export interface FeedEntry extends Entry {
  read: boolean;
  seen: boolean;
}

/** Unread and unseen notifications; the server stops counting at 100. */
export interface Counts {
  unread: number;
  unseen: number;
  /** When the first of those counted expires: from then on the counts are too high. */
  until?: string | null;
}

export interface FeedPage extends Counts {
  items: readonly FeedEntry[];
  /** `before` of the following page; null at the end. */
  next: string | null;
  cursor: string;
}

export interface SyncAnswer extends Counts {
  items: readonly Entry[];
  removed?: readonly string[];
  cursor: string;
  recovered: boolean;
}

/** The answer of a poll, to whom no event tells of preferences. */
export interface PollAnswer extends SyncAnswer {
  preferences?: Preferences;
}

/** What another device of the same user did. Absent fields mean: nothing of that kind. */
export interface StateChange {
  read?: readonly string[];
  unread?: readonly string[];
  dismissed?: readonly string[];
  /** Everything up to the cursor is read, dismissed or seen. */
  through?: { read?: string; dismissed?: string; seen?: string };
  /** Logs that this user has joined, and from where on: a cursor. */
  joined?: string;
  /** The audiences of logs that this user has left. */
  left?: readonly string[];
  counts?: Counts;
}

export interface Removed {
  ids: readonly string[];
  /** The place in a log that this event itself takes up, when it takes up one. */
  id?: string;
}

export interface Synced {
  cursor: string;
  counts: Counts;
  recovered: boolean;
  /** Absent where only news are told. */
  preferences?: Preferences;
}

export interface Goodbye {
  reason: string;
  /** Seconds. */
  reconnect_after?: number;
}

/** What the server sends, by event name. */
export interface ServerEvents {
  notification: Entry;
  removed: Removed;
  state: StateChange;
  synced: Synced;
  preferences: Preferences;
  auth_expiring: { expires_in: number };
  goodbye: Goodbye;
}

export type EventName = keyof ServerEvents;

export const EVENT_NAMES: readonly EventName[] = [
  "notification",
  "removed",
  "state",
  "synced",
  "preferences",
  "auth_expiring",
  "goodbye",
];

/** What may be asked of the server: arguments and answer of each request. */
export interface Requests {
  feed: [{ limit: number; before?: string | null }, FeedPage];
  sync: [{ since: string }, SyncAnswer];
  mark_read: [Target, Counts];
  mark_unread: [Target, Counts];
  dismiss: [Target, Counts];
  mark_seen: [Through, Counts];
  get_preferences: [Record<never, never>, Preferences];
  set_preferences: [PreferencesChange, Preferences];
  refresh_token: [{ token: string }, { expires_in: number }];
}

export type RequestName = keyof Requests;

/** Everything up to a cursor. */
export interface Through {
  cursor: string;
}

/** Some entries, or everything up to a cursor. */
export type Target = { ids: readonly string[] } | ({ all: true } & Through);

/** What a user does with notifications. */
export type ActionName = "mark_read" | "mark_unread" | "dismiss" | "mark_seen";
