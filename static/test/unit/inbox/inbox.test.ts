import { describe, expect, test } from "vitest";
import { parseCursor } from "../../../src/client/cursor.ts";
import * as inboxes from "../../../src/inbox/inbox.ts";
import type { Inbox } from "../../../src/inbox/inbox.ts";
import { entry, feedEntry, page } from "../builders.ts";

/** A loaded inbox of three unread, unseen notifications; 3 is the newest. */
function three(): Inbox {
  const inbox = { ...inboxes.EMPTY, cursor: parseCursor("user:42=3;everyone=0") };
  const items = ["3@user:42", "2@user:42", "1@user:42"].map((id) => feedEntry(id));
  return inboxes.loadNewest(inbox, page(items, "user:42=3;everyone=0"));
}

function ids(inbox: Inbox): string[] {
  return inbox.items.map((item) => item.id);
}

function counts({ unread, unseen }: Inbox): [number, number] {
  return [unread, unseen];
}

describe("an arrival", () => {
  test("stands first and counts as unread and unseen", () => {
    const inbox = inboxes.arrive(three(), entry("4@user:42"));
    expect(ids(inbox)[0]).toBe("4@user:42");
    expect(counts(inbox)).toEqual([4, 4]);
  });

  test("of a known notification through another log is shown once, under both ids", () => {
    const inbox = inboxes.arrive(three(), entry("9@everyone", { notification_id: "n2" }));
    expect(ids(inbox)).toEqual(["3@user:42", "2@user:42", "1@user:42"]);
    expect(inbox.items[1]?.aliases).toEqual(["2@user:42", "9@everyone"]);
    expect(counts(inbox)).toEqual([3, 3]);
  });

  test("takes the place of those it replaces", () => {
    const inbox = inboxes.arrive(three(), entry("4@user:42", { replaces: ["3@user:42", "1@user:42"] }));
    expect(ids(inbox)).toEqual(["4@user:42", "2@user:42"]);
    expect(counts(inbox)).toEqual([2, 2]);
  });
});

describe("a removal", () => {
  test("by any of its ids takes the notification away, with its counts", () => {
    const twice = inboxes.arrive(three(), entry("9@everyone", { notification_id: "n2" }));
    const inbox = inboxes.remove(twice, ["9@everyone"]);
    expect(ids(inbox)).toEqual(["3@user:42", "1@user:42"]);
    expect(counts(inbox)).toEqual([2, 2]);
  });

  test("of an unknown id changes nothing", () => {
    expect(inboxes.remove(three(), ["99@user:42"])).toEqual(three());
  });

  test("never counts below zero", () => {
    const inbox = inboxes.remove(inboxes.withCounts(three(), { unread: 1, unseen: 0 }), ["1@user:42", "2@user:42"]);
    expect(counts(inbox)).toEqual([0, 0]);
  });
});

describe("marking", () => {
  test("read and unread again restores the count and leaves the others the same objects", () => {
    const read = inboxes.act(three(), "mark_read", { ids: ["2@user:42"] });
    expect([read.unread, read.items[1]?.read]).toEqual([2, true]);
    const again = inboxes.act(read, "mark_unread", { ids: ["2@user:42"] });
    expect([again.unread, again.items[0] === read.items[0]]).toEqual([3, true]);
  });

  test("what is read already does not count twice", () => {
    const read = inboxes.act(three(), "mark_read", { ids: ["2@user:42"] });
    expect(inboxes.act(read, "mark_read", { ids: ["2@user:42"] }).unread).toBe(2);
  });

  test("everything read also covers pages that are not loaded, and nothing that came later", () => {
    const many = inboxes.arrive(inboxes.withCounts(three(), { unread: 100, unseen: 5 }), entry("4@user:42"));
    const inbox = inboxes.act(many, "mark_read", { all: true, cursor: "user:42=3" });
    expect(inbox.items.map((item) => item.read)).toEqual([false, true, true, true]);
    expect(counts(inbox)).toEqual([1, 6]);
  });

  test("everything dismissed leaves what came later", () => {
    const many = inboxes.arrive(inboxes.withCounts(three(), { unread: 100, unseen: 5 }), entry("4@user:42"));
    const inbox = inboxes.act(many, "dismiss", { all: true, cursor: "user:42=3" });
    expect([ids(inbox), ...counts(inbox)]).toEqual([["4@user:42"], 1, 1]);
  });

  test("everything seen leaves it unread", () => {
    expect(counts(inboxes.act(three(), "mark_seen", { cursor: "user:42=3" }))).toEqual([3, 0]);
  });
});

describe("another device", () => {
  test("reads one, unreads one, dismisses one", () => {
    const start = inboxes.act(three(), "mark_read", { ids: ["1@user:42"] });
    const inbox = inboxes.follow(start, { read: ["3@user:42"], unread: ["1@user:42"], dismissed: ["2@user:42"] });
    expect(inbox.items.map(({ id, read }) => [id, read])).toEqual([["3@user:42", true], ["1@user:42", false]]);
    expect(inbox.unread).toBe(1);
  });

  test("reads, sees or dismisses everything up to a cursor", () => {
    const read = inboxes.follow(three(), { through: { read: "user:42=2" } });
    expect(read.items.map((item) => item.read)).toEqual([false, true, true]);
    const seen = inboxes.follow(three(), { through: { seen: "user:42=2" } });
    expect([seen.unseen, seen.unread]).toEqual([1, 3]);
    expect(ids(inboxes.follow(three(), { through: { dismissed: "user:42=2" } }))).toEqual(["3@user:42"]);
  });

  test("tells the exact counts, which win over our own arithmetic", () => {
    expect(counts(inboxes.follow(three(), { read: ["3@user:42"], counts: { unread: 57, unseen: 9 } }))).toEqual([57, 9]);
  });
});

describe("the newest page", () => {
  test("replaces the window and brings states from elsewhere", () => {
    const items = [feedEntry("3@user:42", { read: true }), feedEntry("1@user:42")];
    const inbox = inboxes.loadNewest(three(), page(items, "user:42=3", { next: "more" }));
    expect(inbox.items.map(({ id, read }) => [id, read])).toEqual([["3@user:42", true], ["1@user:42", false]]);
    expect([inbox.unread, inbox.next, inbox.loaded]).toEqual([1, "more", true]);
  });

  test("does not take away what arrived after it was made", () => {
    const arrived = inboxes.moveTo(inboxes.arrive(three(), entry("4@user:42")), { audience: "user:42", seq: 4 });
    const inbox = inboxes.loadNewest(arrived, page(three().items, "user:42=3"));
    expect(ids(inbox)).toEqual(["4@user:42", "3@user:42", "2@user:42", "1@user:42"]);
    expect(counts(inbox)).toEqual([4, 4]);
  });

  test("leaves an entry beyond the cursor to its own event, so that it is told and counted once", () => {
    const early = page([feedEntry("4@user:42"), ...three().items], "user:42=4");
    const inbox = inboxes.loadNewest(three(), early);
    expect([ids(inbox).length, ...counts(inbox)]).toEqual([3, 3, 3]);
    expect(counts(inboxes.arrive(inbox, entry("4@user:42")))).toEqual([4, 4]);
  });

  test("keeps the aliases of what it knew", () => {
    const twice = inboxes.moveTo(
      inboxes.arrive(three(), entry("9@everyone", { notification_id: "n2" })),
      { audience: "everyone", seq: 9 },
    );
    const inbox = inboxes.loadNewest(twice, page(three().items, "user:42=3;everyone=9"));
    expect(inbox.items[1]?.aliases).toEqual(["2@user:42", "9@everyone"]);
  });
});

test("an older page is appended, without what is there already", () => {
  const inbox = inboxes.loadOlder(three(), page([feedEntry("1@user:42"), feedEntry("8@everyone")], "", { next: null }));
  expect(ids(inbox)).toEqual(["3@user:42", "2@user:42", "1@user:42", "8@everyone"]);
  expect(counts(inbox)).toEqual([3, 3]);
});

describe("clear all", () => {
  test("empties the inbox; what arrives later is shown and counted", () => {
    const inbox = inboxes.arrive(inboxes.clear(three()), entry("4@user:42"));
    expect([ids(inbox), ...counts(inbox)]).toEqual([["4@user:42"], 1, 1]);
  });

  test("taken back brings everything back behind what arrived meanwhile", () => {
    const inbox = inboxes.unclear(inboxes.arrive(inboxes.clear(three()), entry("4@user:42")));
    expect(ids(inbox)).toEqual(["4@user:42", "3@user:42", "2@user:42", "1@user:42"]);
    expect([...counts(inbox), inbox.cleared]).toEqual([4, 4, undefined]);
  });

  test("stays in force when a page is loaded before the server was told", () => {
    const inbox = inboxes.loadNewest(inboxes.clear(three()), page(three().items, "user:42=3"));
    expect([ids(inbox), ...counts(inbox)]).toEqual([[], 0, 0]);
    expect(counts(inboxes.withCounts(inbox, { unread: 3, unseen: 3 }))).toEqual([0, 0]);
  });
});

describe("an action taken back", () => {
  test("puts a dismissed one where it was, below what arrived since", () => {
    const before = three();
    for (const id of ids(before)) {
      const after = inboxes.remove(before, [id]);
      const restored = inboxes.restore(inboxes.arrive(after, entry("4@user:42")), before, after);
      expect([ids(restored), ...counts(restored)]).toEqual([["4@user:42", ...ids(before)], 4, 4]);
    }
  });

  test("makes what was read unread again, and only that", () => {
    const before = inboxes.act(three(), "mark_read", { ids: ["1@user:42"] });
    const after = inboxes.act(before, "mark_read", { all: true, cursor: "user:42=3" });
    const restored = inboxes.restore(after, before, after);
    expect(restored.items.map((item) => item.read)).toEqual([false, false, true]);
    expect(restored.unread).toBe(2);
  });
});
