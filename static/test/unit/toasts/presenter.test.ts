import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Notifier } from "../../../src/client/notifier.ts";
import { DEFAULT_PREFERENCES } from "../../../src/client/preferences.ts";
import type { LinkFactory } from "../../../src/links/link.ts";
import type { TabsListener } from "../../../src/tabs/tabs.ts";
import { Presenter } from "../../../src/toasts/presenter.ts";
import { entry, page } from "../builders.ts";
import { Script, settle } from "../script.ts";

let script: Script;
let notifier: Notifier;
let presenter: Presenter;
/** What the other tabs are told, and what they say. */
let others: TabsListener;
let closed: string[];
const tabs = { presents: true, leads: true };

beforeEach(async () => {
  vi.useFakeTimers({ now: Date.parse("2026-11-22T12:00:00Z") });
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: {} })));
  script = new Script();
  closed = [];
  tabs.presents = true;
  notifier = script.notifier("token", (listener) => {
    others = listener;
    return Object.assign(tabs, {
      share: (open: LinkFactory) => open,
      stand: () => undefined,
      closeToasts: (ids: string[]) => closed.push(...ids),
    });
  });
  presenter = new Presenter(notifier, () => undefined);
  await script.online("user:42=1");
  await script.next("feed").answer(page([], "user:42=1"));
});

afterEach(() => {
  presenter.stop();
  notifier.disconnect();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("an arrival makes a toast that goes when another device reads it", () => {
  script.send("notification", entry("2@user:42"));
  expect(presenter.toasts.map((toast) => toast.key)).toEqual(["n2"]);
  script.send("state", { read: ["2@user:42"] });
  expect(presenter.toasts).toEqual([]);
});

test("a closed toast leaves its card in the bell, unread", () => {
  script.send("notification", entry("2@user:42"));
  presenter.close(presenter.toasts[0]!);
  expect([presenter.toasts.length, notifier.snapshot.unread]).toEqual([0, 1]);
});

test("criticals wait for one another and are read when acknowledged", async () => {
  script.send("notification", entry("2@user:42", { priority: "critical" }));
  script.send("notification", entry("3@user:42", { priority: "critical" }));
  const first = presenter.critical[0]!;
  void presenter.acknowledge(first);
  await settle();
  expect(presenter.critical.map((item) => item.id)).toEqual(["3@user:42"]);
  expect(script.next("mark_read").args).toEqual({ ids: ["2@user:42"] });
});

test("an acknowledged one does not come back when the server refuses", async () => {
  script.send("notification", entry("2@user:42", { priority: "critical" }));
  const done = expect(presenter.acknowledge(presenter.critical[0]!)).rejects.toMatchObject({ code: "internal" });
  await script.next("mark_read").refuse("internal");
  await done;
  expect([presenter.critical.length, notifier.snapshot.unread]).toEqual([0, 1]);
});

test("a critical one withdrawn by its sender needs no acknowledgement", () => {
  script.send("notification", entry("2@user:42", { priority: "critical" }));
  script.send("removed", { ids: ["2@user:42"], id: "3@user:42" });
  expect(presenter.critical).toEqual([]);
});

test("an inbox that is loaded anew does not take criticals away before it is there", async () => {
  script.send("notification", entry("2@user:42", { priority: "critical" }));
  script.drop();
  await vi.advanceTimersByTimeAsync(1_000);
  await script.online("user:42=2", { recovered: false });
  expect(presenter.critical.length).toBe(1);
});

describe("a hidden page", () => {
  const close = vi.fn();
  const create = vi.fn();

  beforeEach(() => {
    class BrowserNotification {
      static permission = "granted";
      close = close;
      constructor(title: string, options: NotificationOptions) {
        create(title, options.tag, options.body);
      }
    }
    vi.stubGlobal("Notification", BrowserNotification);
    vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  });

  afterEach(() => {
    vi.restoreAllMocks();
    close.mockReset();
    create.mockReset();
  });

  function ring(): void {
    script.send("notification", entry("2@user:42", { priority: "critical", title: "Fire", body: "Leave" }));
  }

  test("shows what is critical through the browser, and closes it when it is dealt with", () => {
    ring();
    script.send("notification", entry("3@user:42"));
    expect(create.mock.calls).toEqual([["Fire", "n2", "Leave"]]);
    script.send("state", { read: ["2@user:42"] });
    expect(close).toHaveBeenCalledTimes(1);
  });

  test("closes it when its user is gone", () => {
    ring();
    presenter.stop();
    expect(close).toHaveBeenCalledTimes(1);
  });

  test("goes on where only service workers may show notifications", () => {
    create.mockImplementation(() => {
      throw new TypeError("Illegal constructor");
    });
    ring();
    expect(presenter.critical.length).toBe(1);
  });
});

function present(presents: boolean): void {
  tabs.presents = presents;
  others.changed();
}

test("a tab that does not present shows nothing, and what is left of it when the user comes", () => {
  present(false);
  script.send("notification", entry("2@user:42"));
  script.send("notification", entry("3@user:42", { priority: "critical" }));
  expect([presenter.toasts, presenter.critical]).toEqual([[], []]);
  vi.advanceTimersByTime(60_000);
  present(true);
  expect([presenter.toasts.length, presenter.critical.length]).toEqual([1, 1]);
  vi.advanceTimersByTime(6_000);
  expect(presenter.toasts).toEqual([]);
});

test("what is closed, over or acknowledged is told to the other tabs, and followed from them", () => {
  script.send("notification", entry("2@user:42"));
  script.send("notification", entry("3@user:42", { priority: "critical" }));
  presenter.acknowledge(presenter.critical[0]!).catch(() => undefined);
  presenter.close(presenter.toasts[0]!);
  expect(closed).toEqual(["n3", "n2"]);
  script.send("notification", entry("4@user:42"));
  script.send("notification", entry("5@user:42", { priority: "critical" }));
  others.toastsClosed(["n4", "n5"]);
  expect([presenter.toasts, presenter.critical, notifier.snapshot.unread]).toEqual([[], [], 3]);
});

test("what the user does not want to see now is in the bell alone", () => {
  script.send("preferences", { ...DEFAULT_PREFERENCES, muted_until: "2026-11-22T13:00:00.000Z", version: 1 });
  script.send("notification", entry("2@user:42"));
  script.send("notification", entry("3@user:42", { priority: "critical" }));
  expect([presenter.toasts.length, presenter.critical.length, notifier.snapshot.unread]).toEqual([0, 1, 2]);
});

test("a toast sounds, unless the user wants quiet or another tab presents; many at once sound once", async () => {
  let tones = 0;
  const node = { connect: (next: unknown) => next, frequency: {}, start: () => tones++, stop: () => undefined };
  const gain = { ...node, gain: { setValueAtTime: () => undefined, exponentialRampToValueAtTime: () => undefined } };
  class Context {
    currentTime = 0;
    resume = async () => undefined;
    close = async () => undefined;
    createOscillator = () => node;
    createGain = () => gain;
  }
  vi.stubGlobal("AudioContext", Context);
  script.send("notification", entry("2@user:42"));
  script.send("notification", entry("3@user:42"));
  await settle();
  expect(tones).toBe(2);
  vi.advanceTimersByTime(2_000);
  present(false);
  script.send("notification", entry("4@user:42"));
  present(true);
  script.send("preferences", { ...DEFAULT_PREFERENCES, sound: false, version: 1 });
  script.send("notification", entry("5@user:42"));
  await settle();
  expect(tones).toBe(2);
});
