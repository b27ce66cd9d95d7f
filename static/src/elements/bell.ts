import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import bellCss from "./bell.css?inline";
import cardCss from "./card.css?inline";
import { attempt, button, h, setText } from "./dom.ts";
import { NotifierElement, onAbort } from "./element.ts";
import { icon } from "./icons.ts";
import { Panel } from "./panel.ts";

/** The server counts to 100. */
const LARGEST_COUNT = 99;
const TIMES_MS = 30_000;
const EDGE = 8;

/**
 * `<notifier-bell>`: the bell with its count and its panel. Give it a notifier: `bell.notifier = notifier`.
 * Fires `notifier-select` (detail: the item; cancelable) when a card or link is followed: an application
 * with a router prevents it and goes there itself.
 */
export class NotifierBell extends NotifierElement {
  readonly #button: HTMLButtonElement;
  readonly #count = h("span", { class: "count", part: "count", "aria-hidden": "true" });
  readonly #panel: Panel;
  /** What was unseen when the panel was opened, or has come since. */
  #fresh = new Set<string>();
  #clock: ReturnType<typeof setInterval> | undefined;
  /** Where the reader stood when "seen" was last told; a refusal is not repeated at once. */
  #seenAt: string | undefined;

  constructor() {
    super(bellCss + cardCss);
    this.#button = button(
      { class: "bell", part: "bell", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": "panel" },
      () => (this.open ? this.close() : this.show()),
      h("slot", { name: "icon" }, icon("bell")),
      this.#count,
    );
    this.#panel = new Panel(this.messages, () => this.notifier, {
      selected: (item, event) => this.select(item, event),
    });
    this.root.append(this.#button, this.#panel.element);
    this.root.addEventListener("keydown", (event) => this.#key(event as KeyboardEvent));
    this.root.addEventListener("focusout", (event) => this.#focusLeft(event as FocusEvent));
  }

  get open(): boolean {
    return !this.#panel.element.hidden;
  }

  /** Opens the panel: everything in it counts as seen. */
  show(): void {
    if (this.open || !this.notifier) return;
    this.#panel.element.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#place();
    this.#panel.refreshTimes();
    this.#clock = setInterval(() => this.#panel.refreshTimes(), TIMES_MS);
    this.render(this.notifier.snapshot);
    this.#panel.element.focus();
  }

  close(): void {
    if (!this.open) return;
    const hadFocus = this.root.activeElement !== null;
    this.#panel.element.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    clearInterval(this.#clock);
    this.#fresh = new Set();
    this.#seenAt = undefined;
    if (hadFocus) this.#button.focus();
    this.schedule();
  }

  override disconnectedCallback(): void {
    this.close();
    super.disconnectedCallback();
  }

  protected override bind(notifier: Notifier, until: AbortSignal): void {
    const changed = () => this.schedule();
    const outside = (event: Event) => event.composedPath().includes(this) || this.close();
    const asked = (event: Event) => (event as CustomEvent).detail === notifier && this.show();
    document.addEventListener("pointerdown", outside, { signal: until });
    document.addEventListener("notifier-open", asked, { signal: until });
    document.addEventListener("visibilitychange", changed, { signal: until });
    onAbort(until, notifier.on("notification", () => this.#swing()));
    onAbort(until, notifier.on("failed", (error) => this.#panel.bar.fail(error, changed)));
  }

  protected override render(snapshot: Snapshot): void {
    const { unread, unseen, connection, items } = snapshot;
    const count = unread > LARGEST_COUNT ? `${LARGEST_COUNT}+` : unread ? String(unread) : "";
    setText(this.#count, count);
    this.#button.setAttribute("aria-label", this.messages.bell(count));
    this.#button.classList.toggle("news", unseen > 0);
    this.#button.dataset["connection"] = connection;
    if (!this.open) return;
    for (const item of items) if (!item.seen) this.#fresh.add(item.notification_id);
    this.#panel.render(snapshot, this.#fresh);
    this.#tellSeen(snapshot);
  }

  #tellSeen({ unseen, connection, loaded, cursor }: Snapshot): void {
    const looking = loaded && connection === "online" && document.visibilityState === "visible";
    if (unseen === 0 || !looking || cursor === this.#seenAt) return;
    this.#seenAt = cursor;
    attempt(this.notifier?.markSeen());
  }

  #swing(): void {
    this.#button.classList.remove("ring");
    void this.#button.offsetWidth; // lets the animation begin again
    this.#button.classList.add("ring");
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !this.open) return;
    event.stopPropagation();
    this.close();
    this.#button.focus();
  }

  #focusLeft({ relatedTarget }: FocusEvent): void {
    const next = relatedTarget as Node | null;
    if (next && !this.root.contains(next) && !this.contains(next)) this.close();
  }

  /** Under the bell, inside the window: to the side where there is room. */
  #place(): void {
    const panel = this.#panel.element;
    panel.style.setProperty("--_top", `${this.#button.getBoundingClientRect().bottom}px`);
    panel.classList.remove("to-end");
    const { left, right } = panel.getBoundingClientRect();
    panel.classList.toggle("to-end", left < EDGE || right > innerWidth - EDGE);
  }
}
