import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NEUTRAL } from "../../../src/client/catalogue.ts";
import type { Item } from "../../../src/inbox/inbox.ts";
import { ToastQueue } from "../../../src/toasts/queue.ts";
import { feedEntry } from "../builders.ts";

let queue: ToastQueue;
let serial: number;

beforeEach(() => {
  vi.useFakeTimers();
  serial = 0;
  queue = new ToastQueue(() => undefined);
});

afterEach(() => void vi.useRealTimers());

/** Pushes one of this type; of its own type unless given. */
function push(fields: Partial<Item> = {}, stays: number | undefined = 6_000): Item {
  const id = `${++serial}@user:42`;
  const item: Item = { ...feedEntry(id, { type: `type${serial}` }), aliases: [id], ...fields };
  queue.push(item, NEUTRAL, item.priority === "high" ? undefined : stays);
  return item;
}

function keys(): string[] {
  return queue.visible.map((toast) => toast.key);
}

test("three are visible, the rest waits its turn", () => {
  for (let i = 0; i < 5; i++) push();
  expect([keys(), queue.waiting]).toEqual([["n1", "n2", "n3"], 2]);
  queue.close("n2");
  expect([keys(), queue.waiting]).toEqual([["n1", "n3", "n4"], 1]);
});

test("a waiting one has its full time left when it is seen at last", () => {
  for (let i = 0; i < 4; i++) push();
  vi.advanceTimersByTime(6_000);
  expect(keys()).toEqual(["n4"]);
  vi.advanceTimersByTime(5_999);
  expect(keys()).toEqual(["n4"]);
  vi.advanceTimersByTime(1);
  expect(keys()).toEqual([]);
});

test("the urgent go first, in their own order, and stay", () => {
  push();
  push({ priority: "high" });
  push({ priority: "high" });
  expect(keys()).toEqual(["n2", "n3", "n1"]);
  vi.advanceTimersByTime(3_600_000);
  expect(keys()).toEqual(["n2", "n3"]);
});

test("several of one type are one toast that begins its time anew", () => {
  push({ type: "like" });
  push();
  vi.advanceTimersByTime(5_000);
  push({ type: "like" });
  const [group] = queue.visible;
  expect([group?.kind, group?.items.length, queue.visible.length]).toEqual(["group", 2, 2]);
  vi.advanceTimersByTime(5_999);
  expect(keys()).toEqual(["n1"]);
  vi.advanceTimersByTime(1);
  expect(keys()).toEqual([]);
});

test("of one type, what its publisher keeps apart stays apart", () => {
  push({ type: "like", collapse_key: "post:1" });
  push({ type: "like", collapse_key: "post:2" });
  push({ type: "like", collapse_key: "post:1" });
  expect(queue.visible.map(({ kind, items }) => [kind, items.length])).toEqual([["group", 2], ["single", 1]]);
});

test("what is closed, or over, is told; what is dropped or dealt with is not", () => {
  const told: string[][] = [];
  queue = new ToastQueue(() => undefined, (items) => told.push(items.map((item) => item.id)));
  const [closed, passing, dropped] = [push(), push(), push()];
  queue.close("n1");
  queue.drop([dropped.notification_id]);
  vi.advanceTimersByTime(6_000);
  push();
  queue.reconcile(() => undefined);
  expect([told, keys()]).toEqual([[[closed.id], [passing.id]], []]);
});

test("what stays has a toast of its own, even of the same type", () => {
  push({ type: "alert", priority: "high" });
  push({ type: "alert", priority: "high" });
  push({ type: "alert" });
  expect(queue.visible.map((toast) => toast.kind)).toEqual(["single", "single", "single"]);
});

test("ten in five seconds are toasts, the eleventh makes them one summary", () => {
  for (let i = 0; i < 10; i++) push();
  expect(queue.visible.length).toBe(3);
  push({ priority: "high" });
  push();
  expect(queue.visible.map(({ kind, items, urgent }) => [kind, items.length, urgent])).toEqual([["summary", 12, true]]);
  expect(queue.waiting).toBe(0);
});

test("eleven in more than five seconds are no burst", () => {
  for (let i = 0; i < 11; i++) {
    push();
    vi.advanceTimersByTime(500);
  }
  expect(queue.visible.some((toast) => toast.kind === "summary")).toBe(false);
});

test("a summary of passing toasts passes; with something urgent in it, it stays", () => {
  for (let i = 0; i < 11; i++) push();
  vi.advanceTimersByTime(10_000);
  expect(keys()).toEqual([]);
  for (let i = 0; i < 11; i++) push(i ? {} : { priority: "high" });
  vi.advanceTimersByTime(3_600_000);
  expect(keys()).toEqual(["summary"]);
});

test("countdowns wait for every reason that holds them", () => {
  push();
  queue.pause("hover");
  queue.pause("hidden");
  vi.advanceTimersByTime(60_000);
  queue.resume("hover");
  vi.advanceTimersByTime(60_000);
  expect(keys()).toEqual(["n1"]);
  queue.resume("hidden");
  vi.advanceTimersByTime(6_000);
  expect(keys()).toEqual([]);
});

test("what was read, dismissed or withdrawn leaves; what was seen leaves unless it stays", () => {
  const [passing, urgent, read] = [push(), push({ priority: "high" }), push({ priority: "high" })];
  queue.reconcile((item) => ({ ...item, seen: true, read: item.id === read.id }));
  expect(keys()).toEqual([urgent.notification_id]);
  queue.reconcile(() => undefined);
  expect([keys(), passing.seen]).toEqual([[], false]);
});

test("a group loses what was dealt with and is a single again", () => {
  const first = push({ type: "like" });
  push({ type: "like" });
  queue.reconcile((item) => (item.id === first.id ? undefined : item));
  expect(queue.visible.map(({ key, kind, items }) => [key, kind, items[0]?.id])).toEqual([["n1", "single", "2@user:42"]]);
});

test("a toast that left does not come back to close another of its name", () => {
  push();
  vi.advanceTimersByTime(5_000);
  queue.reconcile(() => undefined);
  queue.push({ ...feedEntry("1@user:42"), aliases: [] }, NEUTRAL, 6_000);
  vi.advanceTimersByTime(5_999);
  expect(keys()).toEqual(["n1"]);
});
