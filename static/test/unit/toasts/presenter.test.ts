import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Notifier } from "../../../src/client/notifier.ts";
import { Presenter } from "../../../src/toasts/presenter.ts";
import { entry, page } from "../builders.ts";
import { Script, settle } from "../script.ts";

let script: Script;
let notifier: Notifier;
let presenter: Presenter;

beforeEach(async () => {
  vi.useFakeTimers({ now: Date.parse("2026-11-22T12:00:00Z") });
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: {} })));
  script = new Script();
  notifier = script.notifier();
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

test("a hidden page shows what is critical through the browser, and closes it when it is dealt with", () => {
  const close = vi.fn();
  const shown: unknown[] = [];
  class BrowserNotification {
    static permission = "granted";
    close = close;
    constructor(title: string, options: NotificationOptions) {
      shown.push([title, options.tag, options.body]);
    }
  }
  vi.stubGlobal("Notification", BrowserNotification);
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  script.send("notification", entry("2@user:42", { priority: "critical", title: "Fire", body: "Leave" }));
  script.send("notification", entry("3@user:42"));
  expect(shown).toEqual([["Fire", "n2", "Leave"]]);
  script.send("state", { read: ["2@user:42"] });
  expect(close).toHaveBeenCalledTimes(1);
  visibility.mockRestore();
});
