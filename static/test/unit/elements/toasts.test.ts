import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { entry } from "../builders.ts";
import { Script, settle } from "../script.ts";
import { type Stage, leave, press, stage } from "./page.ts";

let now: Stage;

beforeEach(async () => {
  now = await stage([]);
});

afterEach(() => leave(now));

function shown(): string[] {
  return [...now.toasts.shadowRoot!.querySelectorAll(".toast:not([data-leaving]) .title")].map((title) => title.textContent);
}

test("the regions a screen reader listens to are there before the first toast", () => {
  expect([now.inToasts("[role=status]"), now.inToasts("[role=alert]")].every(Boolean)).toBe(true);
});

test("a toast is shown and spoken politely; an urgent one interrupts", async () => {
  now.script.send("notification", entry("4@user:42", { body: "Lunch?", sender: { id: "7", name: "Ada" } }));
  await settle();
  expect([shown(), now.inToasts("[role=status]").textContent]).toEqual([
    ["Title of 4@user:42"], "Ada. Title of 4@user:42. Lunch?",
  ]);
  now.script.send("notification", entry("5@user:42", { priority: "high" }));
  await settle();
  expect(now.inToasts("[role=alert]").textContent).toBe("Important. Title of 5@user:42");
});

test("what was spoken is not spoken again when something else changes", async () => {
  now.script.send("notification", entry("4@user:42"));
  await settle();
  now.script.send("notification", entry("5@user:42", { type: "other" }));
  await settle();
  expect([shown().length, now.inToasts("[role=status]").textContent]).toEqual([2, "Title of 5@user:42"]);
});

test("several of one type are one toast with their number, and open the bell", async () => {
  now.script.send("notification", entry("4@user:42"));
  now.script.send("notification", entry("5@user:42"));
  await settle();
  expect(shown()).toEqual(["2 new · Messages"]);
  now.inToasts(".toast .title").click();
  await settle();
  expect([now.bell.open, shown()]).toEqual([true, []]);
});

test("more than ten at once are one summary, whatever their types", async () => {
  for (let seq = 4; seq < 18; seq++) now.script.send("notification", entry(`${seq}@user:42`, { type: `type${seq}` }));
  await settle();
  expect(shown()).toEqual(["14 new notifications"]);
});

test("Escape and the close button close a toast and leave the card unread", async () => {
  now.script.send("notification", entry("4@user:42"));
  now.script.send("notification", entry("5@user:42", { priority: "high" }));
  await settle();
  press(now.inToasts(".toast .title"), "Escape");
  await settle();
  now.inToasts(".toast:not([data-leaving]) [aria-label=Close]").click();
  await settle();
  expect([shown(), now.notifier.snapshot.unread, now.script.names()]).toEqual([[], 2, []]);
});

test("Alt+T moves the focus to the toasts; nothing else does", async () => {
  now.script.send("notification", entry("4@user:42"));
  await settle();
  expect(now.toasts.shadowRoot!.activeElement).toBeNull();
  document.dispatchEvent(new KeyboardEvent("keydown", { code: "KeyT", altKey: true }));
  expect(now.toasts.shadowRoot!.activeElement?.textContent).toBe("Title of 4@user:42");
});

test("what is critical is a dialog that Escape does not close and acknowledging does", async () => {
  now.script.send("notification", entry("4@user:42", { priority: "critical", body: "Leave the building." }));
  now.script.send("notification", entry("5@user:42", { priority: "critical" }));
  await settle();
  const dialog = now.inToasts<HTMLDialogElement>("dialog");
  expect([dialog.open, dialog.querySelector("h2")?.textContent, dialog.querySelector(".waiting")?.textContent]).toEqual([
    true, "Title of 4@user:42", "One more after this",
  ]);
  const cancel = new Event("cancel", { cancelable: true });
  dialog.dispatchEvent(cancel);
  expect(cancel.defaultPrevented).toBe(true);
  dialog.querySelector<HTMLElement>(".acknowledge")!.click();
  await settle();
  expect(dialog.querySelector("h2")?.textContent).toBe("Title of 5@user:42");
  expect(now.script.next("mark_read").args).toEqual({ ids: ["4@user:42"] });
  dialog.querySelector<HTMLElement>(".acknowledge")!.click();
  await settle();
  expect(dialog.open).toBe(false);
});

test("the focus stays in a toast that grows, goes on when it closes, and at last back to where it was", async () => {
  const field = document.createElement("input");
  document.body.append(field);
  const focused = () => now.toasts.shadowRoot!.activeElement;
  now.script.send("notification", entry("4@user:42"));
  now.script.send("notification", entry("5@user:42", { type: "other" }));
  await settle();
  field.focus();
  const close = now.inToasts(".toast [part=close]");
  close.dispatchEvent(new FocusEvent("focusin", { bubbles: true, relatedTarget: field }));
  close.focus();
  now.script.send("notification", entry("6@user:42"));
  await settle();
  expect([focused(), close.isConnected]).toEqual([now.inToasts(".toast [part=close]"), false]);
  press(focused() as HTMLElement, "Escape");
  expect(focused()?.textContent).toBe("Title of 5@user:42");
  press(focused() as HTMLElement, "Escape");
  await settle();
  expect(document.activeElement).toBe(field);
});

test("a dialog that opens takes no key for its button; the button keeps the focus when others come to wait", async () => {
  const focused = () => (now.toasts.shadowRoot!.activeElement as HTMLElement).className || "title";
  now.script.send("notification", entry("4@user:42", { priority: "critical" }));
  await settle();
  expect(focused()).toBe("title");
  now.inToasts(".acknowledge").focus();
  now.script.send("notification", entry("5@user:42", { priority: "critical" }));
  await settle();
  expect(focused()).toBe("acknowledge");
  now.inToasts(".acknowledge").click();
  await settle();
  expect([now.inToasts("h2").textContent, focused()]).toEqual(["Title of 5@user:42", "title"]);
});

describe("toasts that stay and criticals", () => {
  const dialog = () => now.inToasts<HTMLDialogElement>("dialog");

  beforeEach(async () => {
    now.script.send("notification", entry("4@user:42", { priority: "high" }));
    now.script.send("notification", entry("5@user:42", { priority: "critical" }));
    await settle();
  });

  test.each([
    ["the same notifier again", () => (now.toasts.notifier = now.notifier)],
    ["other words", () => (now.toasts.messages = { ...now.toasts.messages!, acknowledge: "Ok" })],
    ["another place in the page", () => document.body.prepend(now.toasts)],
  ])("are there still with %s", async (_, change) => {
    change();
    await settle();
    expect([shown(), dialog().open, dialog().querySelector("h2")?.textContent]).toEqual([
      ["Title of 4@user:42"], true, "Title of 5@user:42",
    ]);
    dialog().querySelector<HTMLElement>(".acknowledge")!.click();
    expect(now.script.next("mark_read").args).toEqual({ ids: ["5@user:42"] });
  });

  test.each([
    ["without a notifier", () => undefined],
    ["with another's", () => new Script().notifier()],
  ])("go %s, and so does the bell's count", async (_, other) => {
    const notifier = other();
    now.toasts.notifier = now.bell.notifier = notifier;
    await settle();
    expect([shown(), dialog().open, now.inToasts("[role=alert]").textContent]).toEqual([[], false, ""]);
    expect(now.inBell(".count").textContent).toBe("");
    notifier?.disconnect();
  });

  test("go with the element, and are told nobody any more", async () => {
    now.toasts.remove();
    await settle();
    now.script.send("notification", entry("6@user:42", { priority: "critical" }));
    await settle();
    expect(dialog().open).toBe(false);
  });
});

test("reading the card closes the toast", async () => {
  now.script.send("notification", entry("4@user:42", { priority: "high" }));
  await settle();
  void now.notifier.markRead(["4@user:42"]);
  await settle();
  expect(shown()).toEqual([]);
});

test("a toast pushed far aside closes; pushed a little it comes back and does not count as clicked", async () => {
  now.script.send("notification", entry("4@user:42", { url: "/chat" }));
  await settle();
  const toast = now.inToasts(".toast");
  toast.setPointerCapture = vi.fn();
  const drag = (to: number) => {
    toast.dispatchEvent(new PointerEvent("pointerdown", { clientX: 0, button: 0 }));
    toast.dispatchEvent(new PointerEvent("pointermove", { clientX: to }));
    toast.dispatchEvent(new PointerEvent("pointerup", { clientX: to }));
  };
  drag(40);
  const click = new MouseEvent("click", { bubbles: true, cancelable: true });
  toast.querySelector(".title")!.dispatchEvent(click);
  await settle();
  expect([shown().length, click.defaultPrevented, now.script.names()]).toEqual([1, true, []]);
  drag(-120);
  await settle();
  expect([shown(), now.notifier.snapshot.unread]).toEqual([[], 1]);
});
