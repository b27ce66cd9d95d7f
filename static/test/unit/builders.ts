/** Entries and pages as the server would send them. */
import type { Entry, FeedEntry, FeedPage } from "../../src/client/protocol.ts";

/** An entry with this id; its notification is named after the id's seq unless given. */
export function entry(id: string, fields: Partial<Entry> = {}): Entry {
  return {
    id,
    notification_id: `n${id.split("@")[0]}`,
    type: "message",
    priority: "normal",
    title: `Title of ${id}`,
    created_at: "2026-11-22T12:00:00.000Z",
    expires_at: "2036-11-22T12:00:00.000Z",
    ...fields,
  };
}

export function feedEntry(id: string, fields: Partial<FeedEntry> = {}): FeedEntry {
  const { id: _, ...told } = entry(id, fields);
  return { id, read: false, seen: false, ...told, ...fields };
}

/** A page of these entries; counts are of the page unless given. */
export function page(items: readonly FeedEntry[], cursor: string, fields: Partial<FeedPage> = {}): FeedPage {
  return {
    items,
    cursor,
    next: null,
    unread: items.filter((item) => !item.read).length,
    unseen: items.filter((item) => !item.seen).length,
    ...fields,
  };
}
