import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Notifier } from "../../../src/client/notifier.ts";
import { DEFAULT_PREFERENCES } from "../../../src/client/preferences.ts";
import { Presenter } from "../../../src/toasts/presenter.ts";
import { joinTabs } from "../../../src/tabs/shared.ts";
import { entry } from "../builders.ts";
import { Script, settle } from "../script.ts";

const CURSOR = "user:42=3";
const TOKEN = `e30.${btoa(JSON.stringify({ sub: "42" }))}.sig`;
const SYNC = { items: [], cursor: CURSOR, unread: 0, unseen: 0, recovered: true };

/** Web Locks without stealing: who asks first holds until it lets go. */
class Locks {
  readonly #lines = new Map<string, Promise<unknown>>();

  request(name: string, { signal }: LockOptions, hold: () => unknown): Promise<unknown> {
    const before = this.#lines.get(name) ?? Promise.resolve();
    const held = before.then(() => (signal?.aborted ? undefined : hold()));
    this.#lines.set(name, held.catch(() => undefined));
    return held;
  }
}

/** Delivers within the turn, and to all but the teller. */
class Channel {
  static readonly all = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | undefined;

  constructor(private readonly name: string) {
    Channel.all.add(this);
  }

  postMessage(data: unknown): void {
    const copy = structuredClone(data);
    const others = [...Channel.all].filter((other) => other !== this && other.name === this.name);
    queueMicrotask(() => others.forEach((other) => other.onmessage?.({ data: copy })));
  }

  close(): void {
    Channel.all.delete(this);
  }
}

let [script, leader, follower]: [Script, Notifier, Notifier] = [] as never;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: {} })));
  vi.stubGlobal("BroadcastChannel", Channel);
  Object.defineProperty(navigator, "locks", { value: new Locks(), configurable: true });
  script = new Script();
  leader = script.notifier(TOKEN, joinTabs);
  await script.online(CURSOR);
  follower = new Script().notifier(TOKEN, joinTabs);
  await greet();
});

afterEach(async () => {
  follower.disconnect();
  leader.disconnect();
  await settle();
  Reflect.deleteProperty(navigator, "locks");
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The leader asks what the other tab has missed, and which preferences hold. */
async function greet(news: object = SYNC, preferences = DEFAULT_PREFERENCES): Promise<void> {
  await settle();
  await script.next("sync").answer(news);
  await script.next("get_preferences").answer(preferences);
  await settle();
}

test("a tab that follows has the preferences that were changed while there was no connection, before what it missed", async () => {
  expect([leader.snapshot.leads, follower.snapshot.leads, follower.snapshot.connection]).toEqual([true, false, "online"]);
  const shown: boolean[] = [];
  follower.on("notification", ({ item }) => shown.push(follower.displayOf(item).toast.allowed));
  script.drop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(follower.snapshot.connection).not.toBe("online");
  const preferences = { ...DEFAULT_PREFERENCES, types: { message: { toast: false } }, version: 1 };
  await script.online("user:42=4", { preferences });
  await greet({ ...SYNC, items: [entry("4@user:42")], cursor: "user:42=4" }, preferences);
  expect([follower.snapshot.preferences.version, shown]).toEqual([1, [false]]);
});

test("what shows toasts is on stage: a notifier without, in the same page, is not", async () => {
  expect([leader.snapshot.presents, follower.snapshot.presents]).not.toEqual([true, true]);
  for (const [one, other] of [[leader, follower], [follower, leader]] as const) {
    const presenter = new Presenter(one, () => undefined);
    await settle();
    window.dispatchEvent(new Event("focus"));
    await settle();
    expect([one.snapshot.presents, other.snapshot.presents]).toEqual([true, false]);
    presenter.stop();
    await settle();
  }
});
