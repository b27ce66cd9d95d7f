import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Notifier } from "../../../src/client/notifier.ts";
import { DEFAULT_PREFERENCES, type PreferencesChange } from "../../../src/client/preferences.ts";
import type { NotifierEvents } from "../../../src/client/snapshot.ts";
import { type Action, ALONE, type TabsListener } from "../../../src/tabs/tabs.ts";
import { entry, feedEntry, page } from "../builders.ts";
import { SOCKET, STREAM, Script, settle } from "../script.ts";

const CURSOR = "everyone=5;user:42=3";

let script: Script;
let notifier: Notifier;
let told: NotifierEvents["notification"][];

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-22T12:00:00Z") });
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: { message: { label: "Messages" } } })));
  script = new Script();
  notifier = script.notifier();
  told = [];
  notifier.on("notification", (event) => told.push(event));
});

afterEach(() => {
  notifier.disconnect();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function ids(): string[] {
  return notifier.snapshot.items.map((item) => item.id);
}

/** Online with 3, 2 and 1 loaded, all unread. */
async function loaded(): Promise<void> {
  await script.online(CURSOR, { counts: { unread: 3, unseen: 3 } });
  const items = ["3@user:42", "2@user:42", "1@user:42"].map((id) => feedEntry(id));
  await script.next("feed").answer(page(items, CURSOR));
}

describe("connecting", () => {
  test("the first time has no cursor and loads the feed", async () => {
    await loaded();
    expect(script.opened).toEqual([{ token: "token" }]);
    expect([ids(), notifier.snapshot.loaded, notifier.snapshot.cursor]).toEqual([
      ["3@user:42", "2@user:42", "1@user:42"], true, CURSOR,
    ]);
  });

  test("what the feed loads is not told as new", async () => {
    await loaded();
    expect(told).toEqual([]);
  });

  test("again shows the cursor, takes the replay in order, tells it as missed, and refreshes the window", async () => {
    await loaded();
    script.drop();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(script.opened.at(-1)).toEqual({ token: "token", since: CURSOR });
    script.isOpen = true;
    script.listener.opened(SOCKET);
    script.send("notification", entry("7@user:42"));
    script.send("notification", entry("9@everyone"));
    script.send("synced", { cursor: "everyone=9;user:42=7", counts: { unread: 5, unseen: 5 }, recovered: true });
    await settle();
    expect(told.map(({ item, replayed }) => [item.id, replayed])).toEqual([["7@user:42", true], ["9@everyone", true]]);
    const items = ["9@everyone", "7@user:42", "3@user:42"].map((id) => feedEntry(id, { read: id === "3@user:42" }));
    await script.next("feed").answer(page(items, "everyone=9;user:42=7"));
    expect([ids(), notifier.snapshot.unread]).toEqual([["9@everyone", "7@user:42", "3@user:42"], 2]);
    expect(told.length).toBe(2);
  });

  test("without recovery drops the inbox and loads it again", async () => {
    await loaded();
    script.drop();
    await vi.advanceTimersByTimeAsync(1_000);
    await script.online("user:42=900", { recovered: false, counts: { unread: 1, unseen: 1 } });
    expect([ids(), notifier.snapshot.loaded]).toEqual([[], false]);
    await script.next("feed").answer(page([feedEntry("900@user:42")], "user:42=900"));
    expect([ids(), notifier.snapshot.loaded]).toEqual([["900@user:42"], true]);
  });

  test("a feed that cannot be loaded is a problem, and is tried again until it can", async () => {
    await script.online(CURSOR);
    await script.next("feed").refuse("store_unavailable");
    expect(notifier.snapshot.problem?.code).toBe("store_unavailable");
    await vi.advanceTimersByTimeAsync(1_000);
    await script.next("feed").refuse("store_unavailable");
    await vi.advanceTimersByTimeAsync(2_000);
    await script.next("feed").answer(page([], CURSOR));
    expect([notifier.snapshot.problem, notifier.snapshot.loaded]).toEqual([undefined, true]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(script.names()).toEqual([]);
  });

  test("a feed that failed is not asked for without a connection", async () => {
    await script.online(CURSOR);
    await script.next("feed").refuse("store_unavailable");
    notifier.disconnect();
    const request = vi.spyOn(script.asked, "push");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(request).not.toHaveBeenCalled();
    expect(notifier.snapshot.problem?.code).toBe("store_unavailable");
  });

  test("a feed that failed on its own way, while the connection holds, is tried again", async () => {
    await script.online(CURSOR, {}, STREAM);
    await script.next("feed").refuse("offline");
    await vi.advanceTimersByTimeAsync(1_000);
    await script.next("feed").answer(page([], CURSOR));
    expect([notifier.snapshot.problem, notifier.snapshot.loaded]).toEqual([undefined, true]);
  });

  test("again loads as many as were loaded, in pages of a hundred", async () => {
    const all = Array.from({ length: 150 }, (_, index) => feedEntry(`${150 - index}@user:42`));
    const until = (first: number, last: number, next: string | null) =>
      page(all.slice(first, last), "user:42=150", { next, unread: 100, unseen: 100 });
    await script.online("user:42=150");
    await script.next("feed").answer(until(0, 100, "a"));
    void notifier.loadMore();
    await script.next("feed").answer(until(100, 150, "b"));
    const done = notifier.reload();
    await script.next("feed").answer(until(0, 100, "a"));
    const rest = script.next("feed");
    expect(rest.args).toEqual({ limit: 50, before: "a" });
    await rest.answer(until(100, 150, "b"));
    await done;
    expect([ids().length, ids().at(-1), notifier.snapshot.more]).toEqual([150, "1@user:42", true]);
  });

  test("again keeps the items that have not changed", async () => {
    await loaded();
    const [, second, third] = notifier.snapshot.items;
    void notifier.reload();
    const items = [feedEntry("3@user:42", { read: true }), feedEntry("2@user:42"), feedEntry("1@user:42")];
    await script.next("feed").answer(page(items, CURSOR));
    expect(notifier.snapshot.items[0]?.read).toBe(true);
    expect([notifier.snapshot.items[1] === second, notifier.snapshot.items[2] === third]).toEqual([true, true]);
  });

  test("the answer to an older reload does not win over a newer one", async () => {
    await loaded();
    void notifier.reload();
    void notifier.reload();
    const [older, newer] = [script.next("feed"), script.next("feed")];
    await newer.answer(page([feedEntry("3@user:42", { read: true })], CURSOR));
    await older.answer(page([feedEntry("3@user:42")], CURSOR));
    expect([notifier.snapshot.items[0]?.read, notifier.snapshot.unread]).toEqual([true, 0]);
  });

  test("types that could not be fetched are fetched on the next connection", async () => {
    vi.mocked(fetch).mockReset().mockResolvedValueOnce(new Response("", { status: 503 }));
    const other = new Script();
    const late = other.notifier();
    await other.online(CURSOR);
    expect(late.typeInfo("message").label).toBe("");
    vi.mocked(fetch).mockResolvedValue(Response.json({ types: { message: { label: "Messages" } } }));
    other.drop();
    await vi.advanceTimersByTimeAsync(1_000);
    await other.online(CURSOR);
    expect(late.typeInfo("message").label).toBe("Messages");
    late.disconnect();
  });

  test("types are not asked for with a token that no server has accepted", async () => {
    await settle();
    expect(fetch).not.toHaveBeenCalled();
  });

  test("types are fetched with the token and known afterwards; an unknown one is neutral", async () => {
    await loaded();
    expect(fetch).toHaveBeenCalledWith("http://server/v1/types", { headers: { Authorization: "Bearer token" } });
    expect([notifier.typeInfo("message").label, notifier.typeInfo("other").color]).toEqual(["Messages", "grey"]);
  });
});

describe("an arrival", () => {
  test("is shown, counted, told once and moves the cursor", async () => {
    await loaded();
    script.send("notification", entry("4@user:42"));
    script.send("notification", entry("4@user:42"));
    expect(told.map(({ item, replayed }) => [item.id, replayed])).toEqual([["4@user:42", false]]);
    expect([ids()[0], notifier.snapshot.unread, notifier.snapshot.cursor]).toEqual([
      "4@user:42", 4, "everyone=5;user:42=4",
    ]);
  });

  test("through a second log only moves that log's cursor", async () => {
    await loaded();
    script.send("notification", entry("6@everyone", { notification_id: "n3" }));
    expect([told, notifier.snapshot.unread, notifier.snapshot.cursor]).toEqual([[], 3, "everyone=6;user:42=3"]);
  });

  test("beyond a hole waits for a sync, whose answer is shown in order and told", async () => {
    await loaded();
    script.send("notification", entry("6@user:42"));
    const sync = script.next("sync");
    expect([sync.args, told]).toEqual([{ since: CURSOR }, []]);
    await sync.answer({
      items: ["4@user:42", "6@user:42"].map((id) => entry(id)),
      removed: ["1@user:42"],
      cursor: "everyone=5;user:42=6",
      unread: 4,
      unseen: 4,
      recovered: true,
    });
    expect(ids()).toEqual(["6@user:42", "4@user:42", "3@user:42", "2@user:42"]);
    expect(told.map(({ item }) => item.id)).toEqual(["4@user:42", "6@user:42"]);
    expect([notifier.snapshot.unread, notifier.snapshot.cursor]).toEqual([4, "everyone=5;user:42=6"]);
  });

  test("beyond a hole that cannot be filled ends the connection: the replay fills it", async () => {
    await loaded();
    script.send("notification", entry("6@user:42"));
    await script.next("sync").refuse("timeout");
    expect(notifier.snapshot.connection).toBe("offline");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(script.opened.at(-1)?.since).toBe(CURSOR);
  });
});

describe("another link", () => {
  test("that takes over repeats nothing, and the cursor never moves back", async () => {
    await loaded();
    script.send("notification", entry("4@user:42"));
    script.listener.opened(SOCKET);
    script.send("notification", entry("4@user:42"));
    script.send("synced", { cursor: CURSOR, counts: { unread: 4, unseen: 4 }, recovered: true });
    script.send("notification", entry("4@user:42"));
    script.send("notification", entry("5@user:42"));
    expect(told.map(({ item, replayed }) => [item.id, replayed])).toEqual([["4@user:42", false], ["5@user:42", false]]);
    expect([notifier.snapshot.unread, notifier.snapshot.cursor]).toEqual([5, "everyone=5;user:42=5"]);
    expect(script.names()).toEqual([]);
  });

  test("that is behind does not bring back what was dismissed meanwhile", async () => {
    await loaded();
    script.send("notification", entry("4@user:42"));
    script.send("state", { dismissed: ["4@user:42"] });
    script.listener.opened(SOCKET);
    script.send("synced", { cursor: CURSOR, counts: { unread: 3, unseen: 3 }, recovered: true });
    script.send("notification", entry("4@user:42"));
    expect([told.length, ids(), notifier.snapshot.unread]).toEqual([1, ["3@user:42", "2@user:42", "1@user:42"], 3]);
  });

  test("shows its name", async () => {
    await loaded();
    expect(notifier.snapshot.link).toBe("websocket");
    await script.online(CURSOR, {}, STREAM);
    expect(notifier.snapshot.link).toBe("sse");
  });

  test("without gaps is believed when it jumps", async () => {
    await script.online(CURSOR, {}, STREAM);
    script.send("notification", entry("9@user:42"));
    expect([told.length, notifier.snapshot.cursor, script.names()]).toEqual([1, "everyone=5;user:42=9", ["feed"]]);
  });

  test("whose counts differ from ours knows more: the window is refreshed", async () => {
    await loaded();
    script.send("synced", { cursor: CURSOR, counts: { unread: 3, unseen: 3 }, recovered: true });
    expect(script.names()).toEqual([]);
    script.send("synced", { cursor: CURSOR, counts: { unread: 1, unseen: 3 }, recovered: true });
    expect([script.names(), notifier.snapshot.unread]).toEqual([["feed"], 1]);
  });
});

describe("an action", () => {
  test("shows at once and sends every id the notification is known by", async () => {
    await loaded();
    script.send("notification", entry("6@everyone", { notification_id: "n3" }));
    const done = notifier.markRead(["6@everyone"]);
    expect([notifier.snapshot.items[0]?.read, notifier.snapshot.unread]).toEqual([true, 2]);
    const asked = script.next("mark_read");
    expect(asked.args).toEqual({ ids: ["3@user:42", "6@everyone"] });
    await asked.answer({ unread: 12, unseen: 1 });
    await done;
    expect([notifier.snapshot.unread, notifier.snapshot.unseen]).toEqual([12, 1]);
  });

  test.each([
    ["mark_read", () => notifier.markRead(["2@user:42"])],
    ["dismiss", () => notifier.dismiss(["2@user:42"])],
    ["mark_read", () => notifier.markAllRead()],
    ["mark_seen", () => notifier.markSeen()],
  ] as const)("%s that is refused is taken back, rejects and is told", async (name, act) => {
    await loaded();
    const before = notifier.snapshot;
    const failed: string[] = [];
    notifier.on("failed", (error) => failed.push(error.code));
    const done = expect(act()).rejects.toMatchObject({ code: "rate_limited" });
    await settle();
    expect(notifier.snapshot.items).not.toEqual(before.items);
    await script.next(name).refuse("rate_limited");
    await done;
    expect(notifier.snapshot.items).toEqual(before.items);
    expect([notifier.snapshot.unread, notifier.snapshot.unseen, failed]).toEqual([3, 3, ["rate_limited"]]);
  });

  test("on what is not loaded is for the server to decide", async () => {
    await loaded();
    void notifier.dismiss(["2@user:42", "1@role:admin"]);
    expect(script.next("dismiss").args).toEqual({ ids: ["2@user:42", "1@role:admin"] });
    await notifier.markRead([]);
    expect(script.names()).toEqual([]);
  });

  test("on more than 500 ids goes in parts, of which a refused one is taken back alone", async () => {
    await loaded();
    const many = ["2@user:42", ...Array.from({ length: 500 }, (_, index) => `${index}@role:a`), "1@user:42"];
    const done = expect(notifier.markRead(many)).rejects.toMatchObject({ code: "rate_limited" });
    const [first, second] = [script.next("mark_read"), script.next("mark_read")];
    expect([first.args, second.args].map((args) => (args as { ids: string[] }).ids.length)).toEqual([500, 2]);
    await first.answer({ unread: 1, unseen: 3 });
    await second.refuse("rate_limited");
    await done;
    expect(notifier.snapshot.items.map(({ read }) => read)).toEqual([false, true, true]);
  });

  test("without an answer is taken back until the server says how things are", async () => {
    await loaded();
    const failed: string[] = [];
    notifier.on("failed", ({ code }) => failed.push(code));
    void notifier.setPreferences({ sound: false }).catch(() => undefined);
    void notifier.dismiss(["2@user:42"]).catch(() => undefined);
    await script.next("dismiss").refuse("timeout");
    expect([ids().length, failed]).toEqual([3, ["timeout"]]);
    await script.next("feed").answer(page([feedEntry("3@user:42"), feedEntry("1@user:42")], CURSOR));
    expect([ids(), notifier.snapshot.unread]).toEqual([["3@user:42", "1@user:42"], 2]);
    script.asked.splice(1);
    await script.next("set_preferences").refuse("timeout");
    expect(notifier.snapshot.preferences.sound).toBe(true);
    await script.next("get_preferences").answer({ ...DEFAULT_PREFERENCES, sound: false, version: 1 });
    expect(notifier.snapshot.preferences.sound).toBe(false);
  });

  test("while offline fails at once and changes nothing", async () => {
    await loaded();
    script.drop();
    await expect(notifier.dismiss(["2@user:42"])).rejects.toMatchObject({ code: "offline" });
    expect([ids().length, script.names()]).toEqual([3, []]);
  });

  test("mark all as read names the cursor, so that what comes later stays unread", async () => {
    await loaded();
    void notifier.markAllRead();
    expect(script.next("mark_read").args).toEqual({ all: true, cursor: CURSOR });
  });

  test("marking seen twice at once asks once; a new arrival is asked for after that", async () => {
    await loaded();
    void notifier.markSeen();
    void notifier.markSeen();
    await settle();
    script.send("notification", entry("4@user:42"));
    void notifier.markSeen();
    await settle();
    expect(script.names()).toEqual(["mark_seen"]);
    await script.next("mark_seen").answer({ unread: 4, unseen: 1 });
    expect(script.next("mark_seen").args).toEqual({ cursor: "everyone=5;user:42=4" });
  });
});

describe("a page that was asked for before an action", () => {
  const STALE = page(["3@user:42", "2@user:42", "1@user:42"].map((id) => feedEntry(id)), CURSOR);

  test.each([
    ["mark_read", () => notifier.markRead(["2@user:42"]), { unread: 2, unseen: 3 }],
    ["dismiss", () => notifier.dismiss(["2@user:42"]), { unread: 2, unseen: 2 }],
    ["mark_read", () => notifier.markAllRead(), { unread: 0, unseen: 3 }],
    ["mark_seen", () => notifier.markSeen(), { unread: 3, unseen: 0 }],
  ] as const)("does not undo %s, be it answered or not", async (name, act, counts) => {
    await loaded();
    void notifier.reload();
    void act();
    await settle();
    const { items, unread, unseen } = notifier.snapshot;
    void notifier.reload();
    const [answeredLate, asked] = [script.next("feed"), script.next(name)];
    await script.next("feed").answer(STALE);
    expect(notifier.snapshot).toMatchObject({ items, unread, unseen });
    void notifier.reload();
    await asked.answer(counts);
    await answeredLate.answer(STALE);
    await script.next("feed").answer(STALE);
    expect(notifier.snapshot).toMatchObject({ items, unread, unseen });
  });

  test("shows what was refused meanwhile as it was", async () => {
    await loaded();
    void notifier.dismiss(["2@user:42"]).catch(() => undefined);
    void notifier.reload();
    await script.next("dismiss").refuse("rate_limited");
    await script.next("feed").answer(STALE);
    expect([ids().length, notifier.snapshot.unread]).toEqual([3, 3]);
  });

  test("does not bring back what was withdrawn, replaced or dealt with elsewhere meanwhile", async () => {
    await loaded();
    void notifier.reload();
    script.send("removed", { ids: ["2@user:42"], id: "4@user:42" });
    script.send("state", { read: ["3@user:42"] });
    script.send("notification", entry("5@user:42", { replaces: ["1@user:42"] }));
    await script.next("feed").answer(STALE);
    expect(notifier.snapshot.items.map(({ id, read }) => [id, read])).toEqual([["5@user:42", false], ["3@user:42", true]]);
    expect(notifier.snapshot.unread).toBe(1);
  });

  test("and brings older ones does not show them as unread again", async () => {
    await script.online("user:42=3");
    await script.next("feed").answer(page([feedEntry("3@user:42")], "user:42=3", { next: "user:42=3", unread: 2 }));
    void notifier.loadMore();
    void notifier.markAllRead();
    await script.next("mark_read").answer({ unread: 0, unseen: 2 });
    await script.next("feed").answer(page([feedEntry("2@user:42")], "user:42=3"));
    expect([notifier.snapshot.items.map(({ read }) => read), notifier.snapshot.unread]).toEqual([[true, true], 0]);
  });
});

describe("clear all", () => {
  test("tells the server only when it cannot be taken back any more", async () => {
    await loaded();
    notifier.clearAll();
    expect([ids(), notifier.snapshot.unread, notifier.snapshot.undoable]).toEqual([[], 0, true]);
    await vi.advanceTimersByTimeAsync(5_999);
    expect(script.names()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(script.next("dismiss").args).toEqual({ all: true, cursor: CURSOR });
    expect(notifier.snapshot.undoable).toBe(false);
  });

  test("taken back shows everything again and never tells", async () => {
    await loaded();
    notifier.clearAll();
    notifier.undoClear();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([ids().length, notifier.snapshot.unread, script.names()]).toEqual([3, 3, ["feed"]]);
  });

  test("is carried out when the page is left", async () => {
    await loaded();
    notifier.clearAll();
    window.dispatchEvent(new Event("pagehide"));
    expect(script.names()).toEqual(["dismiss"]);
  });

  test("is not undone by a page that was asked for before it", async () => {
    await loaded();
    void notifier.reload();
    notifier.clearAll();
    await vi.advanceTimersByTimeAsync(6_000);
    await script.next("feed").answer(page([feedEntry("3@user:42")], CURSOR));
    expect(ids()).toEqual([]);
    await script.next("dismiss").answer({ unread: 0, unseen: 0 });
    expect(script.names()).toEqual(["feed"]);
  });

  test("that is refused comes back and is told", async () => {
    await loaded();
    const failed: string[] = [];
    notifier.on("failed", (error) => failed.push(error.code));
    notifier.clearAll();
    await vi.advanceTimersByTimeAsync(6_000);
    await script.next("dismiss").refuse("store_unavailable");
    expect([ids().length, notifier.snapshot.unread, failed]).toEqual([3, 3, ["store_unavailable"]]);
  });
});

describe("what others do", () => {
  test("on another device is followed and told", async () => {
    await loaded();
    const removed: string[] = [];
    notifier.on("removed", ({ items }) => removed.push(...items.map((item) => item.id)));
    script.send("state", { read: ["3@user:42"], dismissed: ["1@user:42"], counts: { unread: 1, unseen: 0 } });
    expect([ids(), notifier.snapshot.unread, removed]).toEqual([["3@user:42", "2@user:42"], 1, ["1@user:42"]]);
  });

  test("with their preferences refreshes the window: muted types vanish", async () => {
    await loaded();
    script.send("preferences", { ...DEFAULT_PREFERENCES, types: { message: { bell: false } }, version: 1 });
    await script.next("feed").answer(page([], CURSOR));
    expect(ids()).toEqual([]);
  });

  test("letting somebody into a log begins it there, and refreshes the window", async () => {
    await loaded();
    script.send("state", { joined: "role:admin=9" });
    expect([notifier.snapshot.cursor, script.names()]).toEqual(["everyone=5;role:admin=9;user:42=3", ["feed"]]);
    script.send("notification", entry("10@role:admin"));
    expect(told.length).toBe(1);
  });

  test("taking somebody out of a log takes its notifications, unless they are known from another", async () => {
    await loaded();
    script.send("notification", entry("6@everyone"));
    script.send("notification", entry("7@everyone", { notification_id: "n3" }));
    const removed: string[] = [];
    notifier.on("removed", ({ items }) => removed.push(...items.map((item) => item.id)));
    script.send("state", { left: ["user:42"], counts: { unread: 2, unseen: 2 } });
    expect([ids(), removed]).toEqual([["6@everyone", "7@everyone"], ["2@user:42", "1@user:42"]]);
    expect([notifier.snapshot.cursor, notifier.snapshot.unread]).toEqual(["everyone=7", 2]);
  });

  test("withdrawing takes it away and moves the cursor", async () => {
    await loaded();
    script.send("removed", { ids: ["2@user:42"], id: "4@user:42" });
    expect([ids(), notifier.snapshot.cursor]).toEqual([["3@user:42", "1@user:42"], "everyone=5;user:42=4"]);
    script.send("notification", entry("5@user:42"));
    expect(script.names()).toEqual([]);
  });
});

test("what expires leaves at its time, and the counts are asked for within five seconds", async () => {
  await loaded();
  script.send("notification", entry("4@user:42", { expires_at: "2026-11-22T12:00:30.000Z" }));
  await vi.advanceTimersByTimeAsync(29_999);
  expect(ids()[0]).toBe("4@user:42");
  await vi.advanceTimersByTimeAsync(1);
  expect([ids()[0], notifier.snapshot.unread]).toEqual(["3@user:42", 3]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(script.names()).toEqual(["feed"]);
});

test("older pages follow one another until there is none", async () => {
  await script.online("user:42=30");
  await script.next("feed").answer(page([feedEntry("30@user:42")], "user:42=30", { next: "user:42=29" }));
  const more = notifier.loadMore();
  const asked = script.next("feed");
  expect(asked.args).toEqual({ limit: 20, before: "user:42=29" });
  await asked.answer(page([feedEntry("29@user:42")], "user:42=30"));
  await more;
  await notifier.loadMore();
  expect([ids(), notifier.snapshot.more, script.names()]).toEqual([["30@user:42", "29@user:42"], false, []]);
});

test("a listener that throws does not keep others from hearing", async () => {
  const report = vi.fn();
  vi.stubGlobal("reportError", report);
  const heard = vi.fn();
  notifier.subscribe(() => {
    throw new Error("listener");
  });
  notifier.subscribe(heard);
  await loaded();
  expect(heard).toHaveBeenCalled();
  expect(report).toHaveBeenCalled();
});

describe("preferences", () => {
  test("come with the connection, and are asked for where they do not", async () => {
    await script.online(CURSOR, { preferences: { ...DEFAULT_PREFERENCES, digest_at: "09:00" } });
    expect([notifier.snapshot.preferences.digest_at, script.names()]).toEqual(["09:00", ["feed"]]);
    const other = new Script();
    const silent = other.notifier();
    await other.online(CURSOR, { preferences: undefined } as never);
    await other.next("get_preferences").answer({ ...DEFAULT_PREFERENCES, digest_at: "10:00" });
    expect(silent.snapshot.preferences.digest_at).toBe("10:00");
    silent.disconnect();
  });

  test("of now decide where what was missed is shown, although they come after it", async () => {
    await loaded();
    const shown: boolean[] = [];
    notifier.on("notification", ({ item }) => shown.push(notifier.displayOf(item).toast.allowed));
    script.drop();
    await vi.advanceTimersByTimeAsync(1_000);
    script.isOpen = true;
    script.listener.opened(SOCKET);
    script.send("notification", entry("4@user:42"));
    script.send("notification", entry("5@user:42"));
    script.send("removed", { ids: ["5@user:42"], id: "6@user:42" });
    expect([shown, ids()[0]]).toEqual([[], "4@user:42"]);
    const preferences = { ...DEFAULT_PREFERENCES, types: { message: { toast: false } }, version: 1 };
    script.send("synced", { cursor: "everyone=5;user:42=6", counts: { unread: 4, unseen: 4 }, recovered: true, preferences });
    expect(shown).toEqual([false]);
  });

  test("that are refused are taken back, reject and are told", async () => {
    await loaded();
    const failed: string[] = [];
    notifier.on("failed", ({ code }) => failed.push(code));
    const done = expect(notifier.setPreferences({ sound: false })).rejects.toMatchObject({ code: "conflict" });
    expect(notifier.snapshot.preferences.sound).toBe(false);
    await script.next("set_preferences").refuse("conflict");
    await done;
    expect([notifier.snapshot.preferences.sound, failed]).toEqual([true, ["conflict"]]);
  });

  test("may be given as a framework's proxy", async () => {
    await loaded();
    const days = new Proxy(["mon"], {});
    void notifier.setPreferences(new Proxy({ quiet_hours: [{ days, from: "22:00", to: "07:00" }] } as PreferencesChange, {}));
    const { args } = script.next("set_preferences");
    expect(structuredClone(args)).toEqual({ quiet_hours: [{ days: ["mon"], from: "22:00", to: "07:00" }] });
  });

  test("that are accepted refresh the window: what is muted leaves it", async () => {
    await loaded();
    void notifier.setPreferences({ types: { message: { bell: false } } });
    const change = { ...DEFAULT_PREFERENCES, types: { message: { bell: false } }, version: 1 };
    await script.next("set_preferences").answer(change);
    expect(script.names()).toEqual(["feed"]);
  });

  test("decide where a notification is shown", async () => {
    await loaded();
    script.send("preferences", { ...DEFAULT_PREFERENCES, types: { message: { toast: false } }, version: 1 });
    expect(notifier.displayOf(entry("9@user:42")).toast).toEqual({ allowed: false, rule: "switched_off" });
  });
});

test("the counts of an earlier answer do not undo a later action", async () => {
  await loaded();
  void notifier.markRead(["3@user:42"]);
  void notifier.markRead(["2@user:42"]);
  await script.next("mark_read").answer({ unread: 2, unseen: 3 });
  expect(notifier.snapshot.unread).toBe(1);
  await script.next("mark_read").answer({ unread: 1, unseen: 3 });
  expect(notifier.snapshot.unread).toBe(1);
});

test("counts that will be too high are asked for again soon after", async () => {
  await script.online(CURSOR, { counts: { unread: 9, unseen: 9, until: "2026-11-22T12:00:30.000Z" } });
  await script.next("feed").answer(page([], CURSOR, { unread: 9, unseen: 9, until: "2026-11-22T12:00:30.000Z" }));
  await vi.advanceTimersByTimeAsync(29_999);
  expect(script.names()).toEqual([]);
  await vi.advanceTimersByTimeAsync(5_001);
  expect(script.names()).toEqual(["feed"]);
});

test("what is replaced leaves with the arrival of what replaces it", async () => {
  await loaded();
  const removed: string[] = [];
  notifier.on("removed", ({ items }) => removed.push(...items.map((item) => item.id)));
  script.send("notification", entry("4@user:42", { replaces: ["2@user:42"], count: 2 }));
  expect([ids(), removed, notifier.snapshot.unread]).toEqual([["4@user:42", "3@user:42", "1@user:42"], ["2@user:42"], 3]);
});

describe("an action of another tab", () => {
  let others: TabsListener;
  let outcome: { resolve(data: unknown): void; reject(error: Error): void };

  beforeEach(async () => {
    notifier.disconnect();
    script = new Script();
    notifier = script.notifier("token", (listener) => {
      others = listener;
      return ALONE(listener);
    });
    await loaded();
  });

  /** That tab acts; the server has not answered yet. */
  function acts(action: Action): void {
    others.acted(action, new Promise((resolve, reject) => (outcome = { resolve, reject })));
  }

  test("shows here at once, without a request, and takes the counts it brings", async () => {
    acts({ name: "dismiss", args: { ids: ["2@user:42"] } });
    expect([ids(), notifier.snapshot.unread, script.names()]).toEqual([["3@user:42", "1@user:42"], 2, []]);
    outcome.resolve({ unread: 12, unseen: 3 });
    await settle();
    expect(notifier.snapshot.unread).toBe(12);
  });

  test("that fails is taken back, and the window refreshed", async () => {
    acts({ name: "mark_read", args: { all: true, cursor: CURSOR } });
    expect(notifier.snapshot.unread).toBe(0);
    outcome.reject(new Error("no"));
    await settle();
    expect([notifier.snapshot.unread, script.names()]).toEqual([3, ["feed"]]);
  });

  test("changes preferences here as well", async () => {
    acts({ name: "set_preferences", args: { sound: false } });
    expect(notifier.snapshot.preferences.sound).toBe(false);
  });
});
