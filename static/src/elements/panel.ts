import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/messages.ts";
import { Bar } from "./bar.ts";
import { card, refreshTimes } from "./card.ts";
import cardCss from "./card.css?inline";
import { type View, attempt, button, h, keepFocus, leaveAnimated, setAttributes, setText, sheet } from "./dom.ts";
import { icon } from "./icons.ts";
import panelCss from "./panel.css?inline";
import { stateOf, stateView } from "./states.ts";
import { titleOf } from "./text.ts";
import { WindowedList } from "./window.ts";

export const panelSheet = sheet(cardCss + panelCss);

const TIMES_MS = 30_000;

/** Stands in the list for the line between the new and the earlier ones. */
const EARLIER = Symbol("earlier");
type Row = Item | typeof EARLIER;

export interface PanelListener {
  /** A card or a link was followed; the event may still be prevented. */
  selected(item: Item, event: Event): void;
}

/** The bell's panel: header, cards, what stands there when there are none, and the preferences in their place. */
export class Panel {
  readonly element: HTMLElement;
  readonly bar: Bar;
  readonly #heading = h("h2");
  readonly #list = h("ul", { class: "cards", part: "cards" });
  readonly #window: WindowedList<Row>;
  readonly #connection = h("span", { class: "connection", part: "connection" });
  readonly #state = h("div", { class: "state", part: "state" });
  readonly #scroller: HTMLElement;
  readonly #older: HTMLButtonElement;
  readonly #markAll: HTMLButtonElement;
  readonly #clearAll: HTMLButtonElement;
  readonly #settings: HTMLButtonElement;
  readonly #back: HTMLButtonElement;
  #rows: readonly Row[] = [];
  #preferences: HTMLElement | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;
  #shownState = "";
  #loadingOlder = false;

  constructor(
    private readonly messages: Messages,
    private readonly notifier: () => Notifier | undefined,
    listener: PanelListener,
  ) {
    this.#older = button({ class: "older" }, () => this.#loadOlder(), messages.older);
    this.#markAll = this.#tool("checks", messages.markAllRead, () => attempt(this.notifier()?.markAllRead()));
    this.#clearAll = this.#tool("trash", messages.clearAll, () => this.notifier()?.clearAll());
    this.#settings = this.#tool("settings", messages.settings, () => void this.showPreferences());
    this.#back = this.#tool("back", messages.back, () => this.leavePreferences());
    this.#back.classList.add("back");
    this.bar = new Bar(messages, () => this.notifier()?.undoClear());
    this.#scroller = h("div", { class: "scroller" }, this.#state, this.#list, this.#older);
    this.#window = new WindowedList<Row>(this.#scroller, this.#list, {
      key: (row) => (row === EARLIER ? "earlier" : row.notification_id),
      create: (row) => (row === EARLIER ? this.#divider() : this.#card(listener)),
      place: (element, row, index) => this.#number(element, row, index),
      leave: leaveAnimated,
    });
    const header = h("header", { part: "header" }, this.#back, this.#heading, this.#connection);
    header.append(this.#markAll, this.#clearAll, this.#settings);
    this.element = h(
      "section",
      { id: "panel", class: "panel", part: "panel", role: "dialog", tabindex: "-1", hidden: true },
      header,
      this.#scroller,
      this.bar.element,
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.#title(messages.heading);
    this.#watchEnd();
  }

  show(): void {
    this.element.hidden = false;
    refreshTimes(this.#list, this.messages);
    this.#clock = setInterval(() => refreshTimes(this.#list, this.messages), TIMES_MS);
  }

  hide(): void {
    this.element.hidden = true;
    clearInterval(this.#clock);
    this.leavePreferences();
  }

  /** `fresh`: the notifications that are new since the panel was opened. */
  render(snapshot: Snapshot, fresh: ReadonlySet<string>): void {
    const index = this.#window.indexOf(this.#active);
    const near = this.#window.isInView(index) ? index : -1;
    keepFocus(this.element, () => this.#render(snapshot, fresh), () => void this.#focusNear(near));
  }

  #render(snapshot: Snapshot, fresh: ReadonlySet<string>): void {
    const { connection, items, unread, more } = snapshot;
    this.#connection.dataset["state"] = connection;
    setText(this.#connection, this.messages.connection[connection]);
    this.#renderState(snapshot);
    this.#older.hidden = !more;
    // Not `disabled`, which would take the focus from who has just pressed them.
    this.#markAll.ariaDisabled = String(unread === 0);
    this.#clearAll.ariaDisabled = String(items.length === 0);
    this.bar.render(snapshot);
    this.#rows = withDivider(items, fresh);
    this.#window.update(this.#rows);
  }

  /** The preferences in place of the cards; a file of their own, loaded here. */
  async showPreferences(): Promise<void> {
    try {
      await import("../preferences/index.ts");
    } catch {
      return this.bar.fail({ code: "other" });
    }
    if (this.#preferences) return;
    const element = document.createElement("notifier-preferences");
    element.notifier = this.notifier();
    element.messages = this.messages;
    this.#preferences = element;
    this.element.classList.add("preferring");
    this.#title(this.messages.settings);
    this.#scroller.before(element);
    this.#back.focus();
  }

  /** Back from the preferences to the cards; false when the cards are there already. */
  leavePreferences(): boolean {
    if (!this.#preferences) return false;
    const hadFocus = this.element.contains(this.#active);
    this.#preferences.remove();
    this.#preferences = undefined;
    this.element.classList.remove("preferring");
    this.#title(this.messages.heading);
    if (hadFocus) this.#settings.focus();
    return true;
  }

  get #active(): Element | null {
    return (this.element.getRootNode() as ShadowRoot).activeElement;
  }

  #title(text: string): void {
    setText(this.#heading, text);
    this.element.setAttribute("aria-label", text);
  }

  #renderState(snapshot: Snapshot): void {
    const state = stateOf(snapshot);
    this.#state.classList.toggle("compact", snapshot.items.length > 0);
    if (state === this.#shownState) return;
    this.#shownState = state;
    this.#state.replaceChildren(...stateView(state, this.messages, () => attempt(this.notifier()?.reload())));
  }

  #tool(picture: string, label: string, act: () => void): HTMLButtonElement {
    const run = () => element.ariaDisabled === "true" || act();
    const element = button({ class: "tool", part: "tool", "aria-label": label, title: label }, run, icon(picture));
    return element;
  }

  #divider(): View<Row> {
    const element = h("li", { class: "earlier", part: "divider" }, h("span", {}, this.messages.earlier));
    return { element, update: () => undefined };
  }

  #card(listener: PanelListener): View<Row> {
    const view = card(this.messages, {
      info: (type) => this.notifier()!.typeInfo(type),
      select: (item, event) => listener.selected(item, event),
      setRead: (item, read) => {
        const notifier = this.notifier();
        attempt(read ? notifier?.markRead([item.id]) : notifier?.markUnread([item.id]));
      },
      dismiss: (item) => this.#dismiss(item),
    });
    return { element: view.element, update: (row) => row !== EARLIER && view.update(row) };
  }

  /** Says which card of how many this is: most of them are not in the document. */
  #number(element: HTMLElement, row: Row, index: number): void {
    if (row === EARLIER) return;
    const divider = this.#rows.indexOf(EARLIER);
    const cards = this.#rows.length - (divider < 0 ? 0 : 1);
    setAttributes(element, {
      "aria-posinset": String(divider >= 0 && index > divider ? index : index + 1),
      "aria-setsize": String(this.#older.hidden ? cards : -1),
    });
  }

  /** Focus goes to the card that takes the place of the dismissed one. */
  #dismiss(item: Item): void {
    const index = this.#window.indexOf(this.#active);
    if (index >= 0 && this.#rows[index] === item) {
      this.#focus(index, 1) || this.#focus(index, -1) || this.element.focus();
    }
    attempt(this.notifier()?.dismiss([item.id]));
  }

  /** Focuses the next card in this direction; false when there is none. */
  #focus(index: number, step: 1 | -1): boolean {
    let next = index + step;
    if (this.#rows[next] === EARLIER) next += step;
    const row = this.#window.reveal(next);
    const title = row && titleOf(row);
    title?.focus({ preventScroll: true });
    return title !== undefined;
  }

  /** The card in this place, or the last before it; for what is no card that is looked at, the panel. */
  #focusNear(index: number): void {
    if (index >= 0 && (this.#focus(index - 1, 1) || this.#focus(index, -1))) return;
    this.element.focus({ preventScroll: true });
  }

  #key(event: KeyboardEvent): void {
    if (this.#preferences || isEditable(event.composedPath()[0])) return;
    const index = this.#window.indexOf(this.#active);
    if (event.key === "Delete" && index >= 0) {
      const row = this.#rows[index];
      return row && row !== EARLIER ? this.#dismiss(row) : undefined;
    }
    const moves: Record<string, () => boolean> = {
      ArrowDown: () => this.#focus(index, 1),
      ArrowUp: () => this.#focus(index < 0 ? 1 : index, -1),
      Home: () => this.#focus(-1, 1),
      End: () => this.#focus(this.#rows.length, -1),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  /** Loads the following page shortly before the reader gets to the end. */
  #watchEnd(): void {
    new IntersectionObserver(
      (changes) => changes.some((change) => change.isIntersecting) && this.#loadOlder(),
      { root: this.#scroller, rootMargin: "1000px" },
    ).observe(this.#older);
  }

  async #loadOlder(): Promise<void> {
    if (this.#loadingOlder) return;
    this.#loadingOlder = true;
    this.#older.classList.add("busy");
    // On failure the button stays: it is the way to try again.
    await this.notifier()?.loadMore().catch(() => undefined);
    this.#older.classList.remove("busy");
    this.#loadingOlder = false;
  }
}

/** The line stands where both sides have something. */
function withDivider(items: readonly Item[], fresh: ReadonlySet<string>): readonly Row[] {
  const index = items.findIndex((item) => !fresh.has(item.notification_id));
  return index > 0 ? [...items.slice(0, index), EARLIER, ...items.slice(index)] : items;
}

/** An application may put a field into a card. */
function isEditable(target: EventTarget | undefined): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}
