import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Expiry } from "../../../src/client/expiry.ts";
import { feedEntry } from "../builders.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");

let gone: string[];
let settled: number;
let expiry: Expiry;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  [gone, settled] = [[], 0];
  expiry = new Expiry({ expired: (ids) => gone.push(...ids), settled: () => settled++ });
});

afterEach(() => void vi.useRealTimers());

/** An item that expires after so many milliseconds. */
function item(id: string, lives: number) {
  return { ...feedEntry(id, { expires_at: new Date(NOW + lives).toISOString() }), aliases: [id] };
}

test("each leaves at its own time", () => {
  const [short, long] = [item("1@user:42", 1_000), item("2@user:42", 2_000)];
  expiry.watch([long, short], null);
  vi.advanceTimersByTime(1_000);
  expect(gone).toEqual(["1@user:42"]);
  expiry.watch([long], null);
  vi.advanceTimersByTime(1_000);
  expect(gone).toEqual(["1@user:42", "2@user:42"]);
});

test("several that expire within the spread are settled once", () => {
  vi.spyOn(Math, "random").mockReturnValue(0.9);
  const [short, long] = [item("1@user:42", 1_000), item("2@user:42", 2_000)];
  expiry.watch([long, short], null);
  vi.advanceTimersByTime(1_000);
  expiry.watch([long], null);
  vi.advanceTimersByTime(60_000);
  expect([gone.length, settled]).toEqual([2, 1]);
});

test("one that is far away, or has no time that can be read, never leaves early", () => {
  expiry.watch([item("1@user:42", 3 * 2 ** 31), { ...item("2@user:42", 0), expires_at: "soon" }], null);
  vi.advanceTimersByTime(3 * 2 ** 31 - 1);
  expect(gone).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(gone).toEqual(["1@user:42"]);
});

test("a new list takes the place of the old one, and stopping leaves no timer behind", () => {
  expiry.watch([item("1@user:42", 1_000)], null);
  expiry.watch([item("2@user:42", 2_000)], null);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(2_000);
  expiry.stop();
  expect([gone, vi.getTimerCount()]).toEqual([["2@user:42"], 0]);
});

test("what is counted but not loaded is settled after its time, once, also where our clock is ahead", () => {
  const until = new Date(NOW + 30_000).toISOString();
  expiry.watch([], until);
  vi.advanceTimersByTime(29_999);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(5_001);
  expect([gone, settled]).toEqual([[], 1]);
  expiry.watch([item("1@user:42", 60_000)], until);
  vi.advanceTimersByTime(20_000);
  expect(settled).toBe(1);
});

test("an item that a server behind our clock still has is taken away again, and not asked for", () => {
  const items = [{ ...item("1@user:42", 1_000), created_at: "2026-11-22T11:00:00.000Z" }];
  expiry.watch(items, null);
  vi.advanceTimersByTime(10_000);
  expiry.watch([], null);
  expiry.watch([...items], null);
  vi.advanceTimersByTime(10_000);
  expect([gone, settled]).toEqual([["1@user:42", "1@user:42"], 1]);
});

test("where our clock is ahead, what is short-lived lives its time from its arrival", () => {
  vi.setSystemTime(NOW + 300_000);
  const short = item("1@user:42", 30_000);
  expiry.watch([short], null);
  vi.advanceTimersByTime(20_000);
  expiry.watch([{ ...short, read: true }], null);
  vi.advanceTimersByTime(9_999);
  expect(gone).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(gone).toEqual(["1@user:42"]);
});
