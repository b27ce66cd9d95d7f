import { afterEach, expect, test, vi } from "vitest";
import { entry, feedEntry, page } from "../builders.ts";
import { settle } from "../script.ts";
import { type Stage, leave, press, stage } from "./page.ts";

let now: Stage;

afterEach(() => leave(now));

const three = () => ["3@user:42", "2@user:42", "1@user:42"].map((id) => feedEntry(id));

function cards(): HTMLElement[] {
  return [...now.bell.shadowRoot!.querySelectorAll<HTMLElement>(".card:not([data-leaving])")];
}

test("the bell says how many are unread, in its count and in its name", async () => {
  now = await stage(three());
  const button = now.inBell(".bell");
  expect([now.inBell(".count").textContent, button.getAttribute("aria-label")]).toEqual(["3", "Notifications, 3 unread"]);
  now.script.send("state", { counts: { unread: 100, unseen: 1 } });
  await settle();
  expect(now.inBell(".count").textContent).toBe("99+");
  now.script.send("state", { counts: { unread: 0, unseen: 0 } });
  await settle();
  expect([now.inBell(".count").textContent, button.getAttribute("aria-label")]).toEqual(["", "Notifications"]);
});

test("it is orange while something is unseen, and opening it ends that but not the count", async () => {
  now = await stage(three());
  const button = now.inBell(".bell");
  expect(button.classList.contains("news")).toBe(true);
  await now.bell.show();
  await settle();
  await now.script.next("mark_seen").answer({ unread: 3, unseen: 0 });
  expect([button.classList.contains("news"), now.inBell(".count").textContent]).toEqual([false, "3"]);
});

test("a refused mark_seen is not repeated until the bell is opened again", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  await now.script.next("mark_seen").refuse("internal");
  expect(now.script.names()).toEqual([]);
  now.bell.close();
  await now.bell.show();
  await settle();
  expect(now.script.names()).toEqual(["mark_seen"]);
});

test("a line stands between the new ones and the earlier ones", async () => {
  now = await stage([feedEntry("3@user:42"), feedEntry("2@user:42", { seen: true })]);
  await now.bell.show();
  await settle();
  const rows = [...now.inBell(".cards").children].map((row) => row.className.split(" ")[0]);
  expect(rows).toEqual(["card", "earlier", "card"]);
});

test("a card shows everything as text, and follows only addresses that are safe", async () => {
  now = await stage([
    feedEntry("3@user:42", {
      title: "<img src=x onerror=alert(1)>",
      body: "<b>bold</b>",
      url: "javascript:alert(1)",
      sender: { id: "7", name: "<i>Ada</i>", avatar: "javascript:alert(1)" },
      actions: [{ label: "Bad", url: "javascript:alert(1)" }, { label: "Good", url: "/chat" }],
    }),
  ]);
  await now.bell.show();
  await settle();
  const [card] = cards();
  expect(card?.querySelector("img, b:not(strong), i")).toBeNull();
  expect(card?.querySelector(".title")?.tagName).toBe("BUTTON");
  expect(card?.querySelector(".title")?.textContent).toBe("<img src=x onerror=alert(1)>");
  expect([...card!.querySelectorAll("a")].map((link) => [link.getAttribute("href"), link.rel])).toEqual([["/chat", "noopener"]]);
});

test("what is urgent says so in a word", async () => {
  now = await stage([feedEntry("3@user:42", { priority: "high" }), feedEntry("2@user:42", { priority: "critical" })]);
  await now.bell.show();
  await settle();
  expect(cards().map((card) => card.querySelector(".word")?.textContent)).toEqual(["Important", "Critical"]);
});

test("faces of several senders are shown together; one that cannot be loaded is left out, then the icon stands there", async () => {
  const senders = [1, 2, 3].map((id) => ({ id: `${id}`, name: `Sender ${id}`, avatar: `/${id}.png` }));
  now = await stage([feedEntry("3@user:42", { senders, count: 3 })]);
  await now.bell.show();
  await settle();
  const images = () => [...cards()[0]!.querySelectorAll("img")].map((image) => image.getAttribute("src"));
  expect(images()).toEqual(["/1.png", "/2.png"]);
  cards()[0]!.querySelector("img")!.dispatchEvent(new Event("error"));
  expect(images()).toEqual(["/2.png"]);
  cards()[0]!.querySelector("img")!.dispatchEvent(new Event("error"));
  expect([images(), cards()[0]!.querySelector(".picture svg") !== null]).toEqual([[], true]);
});

test("a digest lists the newest of what it stands for", async () => {
  const digest = { since: "2026-11-22T08:00:00.000Z", titles: ["One", "<b>Two</b>"] };
  now = await stage([feedEntry("3@user:42", { digest })]);
  await now.bell.show();
  await settle();
  expect([...cards()[0]!.querySelectorAll(".gathered li")].map((line) => line.textContent)).toEqual(["One", "<b>Two</b>"]);
});

test("a card has a slot of its own for what the application has to say instead", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  const slots = cards().map((card) => card.querySelector("slot")?.name);
  expect(slots).toEqual(["card:n3", "card:n2", "card:n1"]);
});

test("reading and dismissing by their buttons asks the server", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  cards()[1]!.querySelector<HTMLElement>('[data-control="read"]')!.click();
  cards()[2]!.querySelector<HTMLElement>('[data-control="dismiss"]')!.click();
  await settle();
  expect(now.script.next("mark_read").args).toEqual({ ids: ["2@user:42"] });
  expect(now.script.next("dismiss").args).toEqual({ ids: ["1@user:42"] });
  expect(cards().length).toBe(2);
});

test("following a card reads it; the application may go there itself", async () => {
  now = await stage([feedEntry("3@user:42", { url: "/chat/7" })]);
  await now.bell.show();
  await settle();
  const selected: string[] = [];
  now.bell.addEventListener("notifier-select", (event) => {
    event.preventDefault();
    selected.push((event as CustomEvent<{ url: string }>).detail.url);
  });
  const click = new MouseEvent("click", { bubbles: true, cancelable: true });
  cards()[0]!.querySelector(".title")!.dispatchEvent(click);
  expect([selected, click.defaultPrevented]).toEqual([["/chat/7"], true]);
  await settle();
  expect(now.script.next("mark_read").args).toEqual({ ids: ["3@user:42"] });
});

test("an unchanged card keeps its element while others come and go", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  const before = cards();
  now.script.send("notification", entry("4@user:42"));
  await settle();
  expect(cards().slice(1)).toEqual(before);
});

test("arrow keys, Home and End move between cards; Delete dismisses and focus goes on", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  const focused = () => (now.bell.shadowRoot!.activeElement as HTMLElement)?.textContent;
  press(now.inBell(".panel"), "ArrowDown");
  expect(focused()).toBe("Title of 3@user:42");
  press(now.inBell(".panel"), "End");
  expect(focused()).toBe("Title of 1@user:42");
  press(now.inBell(".panel"), "ArrowUp");
  press(now.inBell(".panel"), "Delete");
  await settle();
  expect([focused(), cards().length]).toEqual(["Title of 1@user:42", 2]);
});

test("the focus goes on when what has it leaves: another dealt with the card, or the control did what it is there for", async () => {
  now = await stage([feedEntry("3@user:42", { actions: [{ label: "Reply", url: "/chat" }] }), ...three().slice(1)]);
  await now.bell.show();
  await settle();
  const focused = () => {
    const active = now.bell.shadowRoot!.activeElement as HTMLElement | null;
    return active?.getAttribute("part") === "panel" ? "panel" : active?.textContent;
  };
  cards()[0]!.querySelector<HTMLElement>(".action")!.focus();
  void now.notifier.markRead(["3@user:42"]);
  await settle();
  expect(focused()).toBe("Title of 3@user:42");
  now.script.send("state", { dismissed: ["3@user:42"] });
  await settle();
  expect(focused()).toBe("Title of 2@user:42");
  now.script.send("state", { dismissed: ["2@user:42", "1@user:42"] });
  await settle();
  expect(focused()).toBe("panel");
  void now.notifier.reload().catch(() => undefined);
  await now.script.next("feed").refuse("store_unavailable");
  now.inBell(".retry").focus();
  now.inBell(".retry").click();
  await now.script.next("feed").answer(page([], "user:42=3", { next: "a" }));
  expect(focused()).toBe("panel");
  now.inBell(".older").focus();
  now.inBell(".older").click();
  await now.script.next("feed").answer(page([], "user:42=3"));
  expect(focused()).toBe("panel");
});

test("keys in a field that the application puts into a card are its own", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  const field = document.createElement("input");
  now.inBell(".panel").append(field);
  const key = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, composed: true, cancelable: true });
  field.dispatchEvent(key);
  expect(key.defaultPrevented).toBe(false);
});

test("Escape closes the panel and gives the focus back to the bell", async () => {
  now = await stage(three());
  await now.bell.show();
  press(now.inBell(".panel"), "Escape");
  expect([now.bell.open, now.inBell(".bell").getAttribute("aria-expanded")]).toEqual([false, "false"]);
  expect(now.bell.shadowRoot!.activeElement).toBe(now.inBell(".bell"));
});

test("a press outside closes the panel, one inside does not", async () => {
  now = await stage(three());
  await now.bell.show();
  now.inBell(".panel").dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
  expect(now.bell.open).toBe(true);
  document.body.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  expect(now.bell.open).toBe(false);
});

test("clear all offers to take it back, and does", async () => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  now.inBell('[aria-label="Clear all"]').click();
  await settle();
  expect([cards().length, now.inBell(".bar").textContent]).toEqual([0, "All notifications clearedUndo"]);
  now.inBell(".undo").click();
  await settle();
  expect([cards().length, now.inBell(".bar").textContent]).toEqual([3, "Undo"]);
  expect(now.inBell(".undo").hidden).toBe(true);
});

test.each([
  ["rate_limited", "That didn’t work. Nothing was changed."],
  ["offline", "You’re offline. Nothing was changed."],
  ["timeout", "No answer came. It may not have worked."],
])("an action that fails with %s is taken back and says so", async (code, text) => {
  now = await stage(three());
  await now.bell.show();
  await settle();
  now.inBell('[aria-label="Mark all as read"]').click();
  await settle();
  await now.script.next("mark_read").refuse(code);
  expect(now.inBell(".bar span").textContent).toBe(text);
});

test("nothing, no connection, no sign-in and a failure each have their own words", async () => {
  now = await stage([]);
  await now.bell.show();
  await settle();
  expect(now.inBell(".what").textContent).toBe("You’re all caught up");
  now.script.drop();
  await settle();
  expect([now.inBell(".what").textContent, now.inBell(".connection").textContent]).toEqual(["You’re offline", "Offline"]);
});

test("a feed that failed offers to try again", async () => {
  now = await stage([]);
  await now.bell.show();
  void now.notifier.reload().catch(() => undefined);
  await now.script.next("feed").refuse("store_unavailable");
  expect(now.inBell(".what").textContent).toBe("Notifications couldn’t be loaded");
  now.inBell(".retry").click();
  await settle();
  expect(now.script.names()).toEqual(["feed"]);
});

test("a notifier given before the element is defined is found", async () => {
  now = await stage(three());
  const { NotifierBell } = await import("../../../src/elements/index.ts");
  const early = document.createElement("early-bell") as InstanceType<typeof NotifierBell>;
  Object.defineProperty(early, "notifier", { value: now.notifier, configurable: true, writable: true });
  document.body.append(early);
  customElements.define("early-bell", class extends NotifierBell {});
  customElements.upgrade(early);
  const upgraded = document.querySelector("early-bell") as InstanceType<typeof NotifierBell>;
  await settle();
  expect(upgraded.shadowRoot?.querySelector(".count")?.textContent).toBe("3");
});

test("an element taken out of the page listens no more", async () => {
  now = await stage(three());
  const { bell } = now;
  const render = vi.spyOn(bell as unknown as { render(): void }, "render");
  bell.remove();
  now.script.send("notification", entry("4@user:42"));
  await settle();
  expect(render).not.toHaveBeenCalled();
});
