import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/en.ts";
import { card, refreshTimes } from "./card.ts";
import { type View, ViewList, attempt, button, h, leaveAnimated, setText } from "./dom.ts";
import { icon } from "./icons.ts";
import { Bar } from "./bar.ts";
import { stateView, stateOf } from "./states.ts";

/** Stands in the list for the line between the new and the earlier ones. */
const EARLIER = Symbol("earlier");
type Row = Item | typeof EARLIER;

export interface PanelListener {
  /** A card or a link was followed; the event may still be prevented. */
  selected(item: Item, event: Event): void;
}

/** The bell's panel: header, cards, and what stands there when there are none. */
export class Panel {
  readonly element: HTMLElement;
  readonly bar: Bar;
  readonly #list: HTMLUListElement;
  readonly #rows: ViewList<Row>;
  readonly #connection = h("span", { class: "connection", part: "connection" });
  readonly #state = h("div", { class: "state", part: "state" });
  readonly #older: HTMLButtonElement;
  readonly #markAll: HTMLButtonElement;
  readonly #clearAll: HTMLButtonElement;
  #shownState = "";
  #loadingOlder = false;

  constructor(
    private readonly messages: Messages,
    private readonly notifier: () => Notifier | undefined,
    listener: PanelListener,
  ) {
    this.#list = h("ul", { class: "cards", part: "cards" });
    this.#rows = new ViewList<Row>(
      this.#list,
      (row) => (row === EARLIER ? "earlier" : row.notification_id),
      (row) => (row === EARLIER ? this.#divider() : this.#card(listener)),
      leaveAnimated,
    );
    this.#older = button({ class: "older" }, () => this.#loadOlder(), messages.older);
    this.#markAll = this.#tool("checks", messages.markAllRead, (notifier) => notifier.markAllRead());
    this.#clearAll = this.#tool("trash", messages.clearAll, async (notifier) => notifier.clearAll());
    this.bar = new Bar(messages, () => this.notifier()?.undoClear());
    const scroller = h("div", { class: "scroller" }, this.#state, this.#list, this.#older);
    this.element = h(
      "section",
      { id: "panel", class: "panel", part: "panel", role: "dialog", "aria-label": messages.heading, tabindex: "-1", hidden: true },
      h(
        "header",
        { part: "header" },
        h("h2", {}, messages.heading),
        this.#connection,
        this.#markAll,
        this.#clearAll,
      ),
      scroller,
      this.bar.element,
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.#watchEnd(scroller);
  }

  /** `fresh`: the notifications that are new since the panel was opened. */
  render(snapshot: Snapshot, fresh: ReadonlySet<string>): void {
    const { connection, items, unread, more } = snapshot;
    this.#connection.dataset["state"] = connection;
    setText(this.#connection, this.messages.connection[connection]);
    this.#rows.update(withDivider(items, fresh));
    this.#older.hidden = !more;
    this.#markAll.disabled = unread === 0;
    this.#clearAll.disabled = items.length === 0;
    this.#renderState(snapshot);
    this.bar.render(snapshot);
  }

  refreshTimes(): void {
    refreshTimes(this.#list, this.messages);
  }

  #renderState(snapshot: Snapshot): void {
    const state = stateOf(snapshot);
    this.#state.classList.toggle("compact", snapshot.items.length > 0);
    if (state === this.#shownState) return;
    this.#shownState = state;
    this.#state.replaceChildren(...stateView(state, this.messages, () => this.#retry()));
  }

  #retry(): void {
    attempt(this.notifier()?.reload());
  }

  #tool(picture: string, label: string, act: (notifier: Notifier) => Promise<void>): HTMLButtonElement {
    const run = () => {
      const notifier = this.notifier();
      if (notifier) attempt(act(notifier));
    };
    return button({ class: "tool", part: "tool", "aria-label": label, title: label }, run, icon(picture));
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

  /** Focus goes to the card that takes the place of the dismissed one. */
  #dismiss(item: Item): void {
    const cards = this.#cards();
    const index = cards.indexOf(this.#rows.element(item.notification_id)!);
    const hadFocus = cards[index]?.contains((this.element.getRootNode() as ShadowRoot).activeElement);
    const next = cards[index + 1] ?? cards[index - 1];
    if (hadFocus) (next?.querySelector<HTMLElement>('[data-control="title"]') ?? this.element).focus();
    attempt(this.notifier()?.dismiss([item.id]));
  }

  #cards(): HTMLElement[] {
    return [...this.#list.querySelectorAll<HTMLElement>(".card:not([data-leaving])")];
  }

  #key(event: KeyboardEvent): void {
    const cards = this.#cards();
    const active = (this.element.getRootNode() as ShadowRoot).activeElement;
    const index = cards.findIndex((element) => element.contains(active));
    const target: Record<string, number> = {
      ArrowDown: Math.min(index + 1, cards.length - 1),
      ArrowUp: Math.max(index - 1, 0),
      Home: 0,
      End: cards.length - 1,
    };
    if (event.key === "Delete") return cards[index]?.querySelector<HTMLElement>('[data-control="dismiss"]')?.click();
    const next = cards[target[event.key] ?? -1];
    if (!next) return;
    event.preventDefault();
    next.querySelector<HTMLElement>('[data-control="title"]')?.focus();
  }

  /** Loads the following page shortly before the reader gets to the end. */
  #watchEnd(scroller: HTMLElement): void {
    new IntersectionObserver(
      (changes) => changes.some((change) => change.isIntersecting) && this.#loadOlder(),
      { root: scroller, rootMargin: "300px" },
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
