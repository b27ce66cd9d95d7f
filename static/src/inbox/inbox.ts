/**
 * What a user's bell shows, as immutable values: each function takes an inbox and gives the next one.
 * No network, no DOM, no clock.
 */
import { type Cursor, type Position, advance, parseCursor, parsePosition, reaches } from "../client/cursor.ts";
import type {
  ActionName,
  Counts,
  Entry,
  FeedEntry,
  FeedPage,
  Requests,
  StateChange,
} from "../client/protocol.ts";

/** One notification of this user, under every entry id it is known by. */
export interface Item extends FeedEntry {
  readonly aliases: readonly string[];
}

export interface Inbox extends Readonly<Counts> {
  /** Newest first. */
  readonly items: readonly Item[];
  readonly cursor: Cursor;
  /** Where the following page starts; null when the last one is here. */
  readonly next: string | null;
  /** False until the first page is here. */
  readonly loaded: boolean;
  /** The inbox as it was before a "clear all" that can still be taken back. */
  readonly cleared: Inbox | undefined;
}

export const EMPTY: Inbox = {
  items: [],
  unread: 0,
  unseen: 0,
  until: null,
  cursor: new Map(),
  next: null,
  loaded: false,
  cleared: undefined,
};

/** A notification came in. One that is known already only gains an alias. */
export function arrive(inbox: Inbox, entry: Entry): Inbox {
  const known = inbox.items.find((item) => item.notification_id === entry.notification_id);
  if (known) return replace(inbox, known, { ...known, aliases: union(known.aliases, [entry.id]) });
  const rest = entry.replaces ? remove(inbox, entry.replaces) : inbox;
  // In the order in which a feed has them: what is loaded again is compared as JSON.
  const { id, ...told } = entry;
  return recount(rest, [asItem({ id, read: false, seen: false, ...told }), ...rest.items]);
}

export function moveTo(inbox: Inbox, position: Position): Inbox {
  return { ...inbox, cursor: advance(inbox.cursor, position) };
}

/** Takes notifications away; an id names the whole notification, unknown ids are ignored. */
export function remove(inbox: Inbox, ids: readonly string[]): Inbox {
  return recount(inbox, without(inbox.items, named(ids)));
}

/** What this user does: to some notifications, or to everything up to a cursor, be it loaded or not. */
export function act<N extends ActionName>(inbox: Inbox, name: N, args: Requests[N][0]): Inbox {
  const isSome = "ids" in args;
  const isMeant = isSome ? named(args.ids) : reached(args.cursor);
  const acted = recount(inbox, EFFECTS[name](inbox.items, isMeant));
  return isSome ? acted : { ...acted, ...remaining(name, acted) };
}

const EFFECTS: Readonly<Record<ActionName, (items: readonly Item[], isMeant: Test) => Item[]>> = {
  mark_read: (items, isMeant) => items.map((item) => (isMeant(item) ? withRead(item, true) : item)),
  mark_unread: (items, isMeant) => items.map((item) => (isMeant(item) ? withRead(item, false) : item)),
  mark_seen: (items, isMeant) => items.map((item) => (isMeant(item) ? withSeen(item) : item)),
  dismiss: (items, isMeant) => without(items, isMeant),
};

/** What lies beyond the cursor of an action is loaded, so its counts are those of the items. */
function remaining(name: ActionName, { items }: Inbox): Partial<Counts> {
  const unread = name === "mark_seen" ? {} : { unread: count(items, isUnread) };
  const unseen = name === "mark_read" ? {} : { unseen: count(items, isUnseen) };
  return { ...unread, ...unseen };
}

/** What another device of the same user did. */
export function follow(inbox: Inbox, change: StateChange): Inbox {
  const { read = [], unread = [], dismissed = [], through = {}, counts } = change;
  const isRead = either(named(read), reached(through.read));
  const isUnread = named(unread);
  const isSeen = reached(through.seen);
  const items = without(inbox.items, either(named(dismissed), reached(through.dismissed)))
    .map((item) => (isRead(item) ? withRead(item, true) : item))
    .map((item) => (isUnread(item) ? withRead(item, false) : item))
    .map((item) => (isSeen(item) ? withSeen(item) : item));
  const moved = changeLogs(recount(inbox, items), change);
  return counts ? withCounts(moved, counts) : moved;
}

/** Goes on without the logs this user has left, and with those joined. */
function changeLogs(inbox: Inbox, { joined, left = [] }: StateChange): Inbox {
  if (!joined && !left.length) return inbox;
  const gone = new Set(left);
  const stays = (id: string) => !gone.has(parsePosition(id)?.audience ?? "");
  const cursor = [...inbox.cursor].filter(([audience]) => !gone.has(audience));
  const items = inbox.items.flatMap((item) => {
    const aliases = item.aliases.filter(stays);
    if (aliases.length === item.aliases.length) return [item];
    return aliases[0] === undefined ? [] : [{ ...item, id: aliases[0], aliases }];
  });
  return recount({ ...inbox, cursor: new Map([...cursor, ...parseCursor(joined ?? "")]) }, items);
}

/** Exact counts from the server. While a clear is pending they still include what is hidden. */
export function withCounts(inbox: Inbox, { unread, unseen, until = null }: Counts): Inbox {
  return inbox.cleared ? inbox : { ...inbox, unread, unseen, until };
}

/**
 * The newest page replaces the loaded window. The cursors decide who brings an entry: one beyond our
 * cursor will come as an event of its own, one beyond the page's cursor came after the page was made.
 */
export function loadNewest(inbox: Inbox, page: FeedPage): Inbox {
  const ours = reachedBy(inbox.cursor);
  const hidden = inbox.cleared ? reachedBy(inbox.cleared.cursor) : () => false;
  const items = page.items.map((entry) => asItem(entry, inbox.items));
  const shown = items.filter((item) => ours(item) && !hidden(item));
  const shownIds = new Set(shown.map((item) => item.notification_id));
  const inPage = reached(page.cursor);
  const later = inbox.items.filter(
    (item) => !inPage(item) && !shownIds.has(item.notification_id),
  );
  const early = items.filter((item) => !ours(item));
  const loaded = { ...inbox, items: [...later, ...shown], loaded: true };
  if (inbox.cleared) return loaded;
  return {
    ...loaded,
    next: page.next,
    until: page.until ?? null,
    unread: Math.max(0, page.unread + count(later, isUnread) - count(early, isUnread)),
    unseen: Math.max(0, page.unseen + count(later, isUnseen) - count(early, isUnseen)),
  };
}

/** The page that follows what is loaded. */
export function loadOlder(inbox: Inbox, page: FeedPage): Inbox {
  const known = new Set(inbox.items.map((item) => item.notification_id));
  const older = page.items.filter((entry) => !known.has(entry.notification_id));
  return {
    ...inbox,
    items: [...inbox.items, ...older.map((entry) => asItem(entry))],
    next: page.next,
  };
}

/** Hides everything up to now; what arrives later is shown. */
export function clear(inbox: Inbox): Inbox {
  return { ...inbox, items: [], unread: 0, unseen: 0, next: null, cleared: inbox };
}

/** Takes a pending clear back. */
export function unclear(inbox: Inbox): Inbox {
  const { cleared } = inbox;
  if (!cleared) return inbox;
  return {
    ...inbox,
    items: [...inbox.items, ...cleared.items],
    unread: inbox.unread + cleared.unread,
    unseen: inbox.unseen + cleared.unseen,
    next: cleared.next,
    cleared: undefined,
  };
}

/** Takes an action back: its items are as they were `before`, and so much is added to the counts as it took. */
export function restore(inbox: Inbox, before: Inbox, after: Inbox): Inbox {
  const touched = new Map(
    before.items.filter((item) => !after.items.includes(item)).map((item) => [item.notification_id, item]),
  );
  const kept = inbox.items.map((item) => {
    const old = touched.get(item.notification_id);
    touched.delete(item.notification_id);
    return old ? { ...item, read: old.read, seen: old.seen } : item;
  });
  return {
    ...inbox,
    items: reinsert(kept, [...touched.values()], before.items),
    unread: Math.max(0, inbox.unread + before.unread - after.unread),
    unseen: Math.max(0, inbox.unseen + before.unseen - after.unseen),
  };
}

/** Puts each of `lost` back behind the item it followed in `order`. */
function reinsert(items: readonly Item[], lost: readonly Item[], order: readonly Item[]): Item[] {
  const result = [...items];
  for (const item of lost) {
    const newer = new Set(order.slice(0, order.indexOf(item)).map((other) => other.notification_id));
    const place = result.findLastIndex((other) => newer.has(other.notification_id));
    // Without one, it was the newest of its time: whatever arrived since stays above it.
    const arrived = result.findLastIndex((other) => !order.some((old) => sameNotification(old, other)));
    result.splice((place < 0 ? arrived : place) + 1, 0, item);
  }
  return result;
}

/** The one that is known already, where nothing of it has changed. */
function asItem(entry: FeedEntry, known: readonly Item[] = []): Item {
  const twin = known.find((item) => sameNotification(item, entry));
  const item = { ...entry, aliases: union(twin?.aliases ?? [], [entry.id]) };
  return twin && JSON.stringify(twin) === JSON.stringify(item) ? twin : item;
}

function replace(inbox: Inbox, old: Item, item: Item): Inbox {
  return { ...inbox, items: inbox.items.map((other) => (other === old ? item : other)) };
}

/** The inbox with other items, its counts changed by as much as the items differ. */
function recount(inbox: Inbox, items: readonly Item[]): Inbox {
  return {
    ...inbox,
    items,
    unread: Math.max(0, inbox.unread + count(items, isUnread) - count(inbox.items, isUnread)),
    unseen: Math.max(0, inbox.unseen + count(items, isUnseen) - count(inbox.items, isUnseen)),
  };
}

type Test = (item: Item) => boolean;

const isUnread: Test = (item) => !item.read;
const isUnseen: Test = (item) => !item.seen;

function named(ids: readonly string[]): Test {
  const wanted = new Set(ids);
  return (item) => item.aliases.some((id) => wanted.has(id));
}

function reached(cursor: string | undefined): Test {
  return cursor === undefined ? () => false : reachedBy(parseCursor(cursor));
}

function reachedBy(cursor: Cursor): Test {
  return (item) =>
    item.aliases.some((id) => {
      const position = parsePosition(id);
      return position !== undefined && reaches(cursor, position);
    });
}

function either(one: Test, other: Test): Test {
  return (item) => one(item) || other(item);
}

/** Unchanged items keep their identity, so that views can tell what changed. */
function withRead(item: Item, read: boolean): Item {
  return item.read === read ? item : { ...item, read };
}

function withSeen(item: Item): Item {
  return item.seen ? item : { ...item, seen: true };
}

function without(items: readonly Item[], test: Test): Item[] {
  return items.filter((item) => !test(item));
}

function count(items: readonly Item[], test: Test): number {
  return items.reduce((sum, item) => sum + (test(item) ? 1 : 0), 0);
}

function union(ids: readonly string[], more: readonly string[]): string[] {
  return [...new Set([...ids, ...more])];
}

function sameNotification(one: Entry, other: Entry): boolean {
  return one.notification_id === other.notification_id;
}
