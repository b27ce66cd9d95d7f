import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import { type Messages, counted, written } from "../locales/messages.ts";
import bellCss from "./bell.css?inline";
import { attempt, button, h, setText } from "./dom.ts";
import { NotifierElement, onAbort } from "./element.ts";
import { icon } from "./icons.ts";
import type { Panel } from "./panel.ts";

/** The server counts to 100. */
const LARGEST_COUNT = 99;
/** When a browser does not tell that it is idle: long enough for the page to have shown itself. */
const IDLE_MS = 1_000;
const EDGE = 8;

/**
 * `<notifier-bell>`: the bell with its count and its panel. Give it a notifier: `bell.notifier = notifier`.
 * Fires `notifier-select` (detail: the item; cancelable) when a card or link is followed: an application
 * with a router prevents it and goes there itself.
 */
export class NotifierBell extends NotifierElement {
  #button!: HTMLButtonElement;
  #count!: HTMLElement;
  /** Its code comes when the page is idle, or when the bell is first opened. */
  #panel: Panel | undefined;
  #open = false;
  /** What was unseen when the panel was opened, or has come since. */
  #fresh = new Set<string>();
  /** Where the reader stood when "seen" was last told; a refusal is not repeated at once. */
  #seenAt: string | undefined;

  constructor() {
    super(bellCss);
    this.root.addEventListener("keydown", (event) => this.#key(event as KeyboardEvent));
    this.root.addEventListener("focusout", (event) => this.#focusLeft(event as FocusEvent));
    // Without its panel the bell still counts; opening it tries again.
    whenIdle(() => loadPanel().catch(() => undefined));
  }

  get open(): boolean {
    return this.#open;
  }

  /** Opens the panel: everything in it counts as seen. Rejects when the panel's code cannot be loaded. */
  async show(): Promise<void> {
    if (this.#open || !this.notifier || !this.messages) return;
    this.#expand(true);
    try {
      await this.#fetchPanel();
    } catch (error) {
      this.#expand(false);
      throw error;
    }
    if (!this.#open || !this.#panel) return;
    this.#panel.show();
    this.#place();
    this.renderNow();
    this.#panel.element.focus();
  }

  /** Opens the panel at the preferences. */
  async showPreferences(): Promise<void> {
    await this.show();
    await this.#panel?.showPreferences();
  }

  close(): void {
    if (!this.#open) return;
    const hadFocus = this.root.activeElement !== null;
    this.#expand(false);
    this.#panel?.hide();
    this.#fresh = new Set();
    this.#seenAt = undefined;
    if (hadFocus) this.#button.focus();
    this.schedule();
  }

  override disconnectedCallback(): void {
    this.close();
    super.disconnectedCallback();
  }

  protected override build(messages: Messages): void {
    this.close();
    this.#panel?.element.remove();
    this.#panel = undefined;
    this.#button?.remove();
    this.#count = h("span", { class: "count", part: "count", "aria-hidden": "true" });
    this.#button = button(
      { class: "bell", part: "bell", "aria-label": messages.bell, "aria-haspopup": "dialog", "aria-expanded": "false" },
      () => (this.#open ? this.close() : attempt(this.show())),
      h("slot", { name: "icon" }, icon("bell")),
      this.#count,
    );
    this.#button.addEventListener("animationend", () => this.#button.classList.remove("ring"));
    this.root.append(this.#button);
  }

  protected override bind(notifier: Notifier, until: AbortSignal): void {
    const changed = () => this.schedule();
    const outside = (event: Event) => event.composedPath().includes(this) || this.close();
    const asked = (event: Event) => (event as CustomEvent).detail === notifier && attempt(this.show());
    document.addEventListener("pointerdown", outside, { signal: until });
    document.addEventListener("notifier-open", asked, { signal: until });
    document.addEventListener("visibilitychange", changed, { signal: until });
    onAbort(until, notifier.on("notification", () => this.#button.classList.add("ring")));
    onAbort(until, notifier.on("failed", (error) => this.#panel?.bar.fail(error)));
  }

  protected override render(snapshot: Snapshot, messages: Messages): void {
    const { unread, unseen, connection, items } = snapshot;
    const { language } = messages;
    const count = unread > LARGEST_COUNT ? `${written(language, LARGEST_COUNT)}+` : unread ? written(language, unread) : "";
    setText(this.#count, count);
    this.#button.setAttribute("aria-label", count ? counted(messages, messages.bellUnread, unread, { count }) : messages.bell);
    this.#button.classList.toggle("news", unseen > 0);
    this.#button.dataset["connection"] = connection;
    if (!this.#open) return;
    for (const item of items) if (!item.seen) this.#fresh.add(item.notification_id);
    this.#panel?.render(snapshot, this.#fresh);
    this.#tellSeen(snapshot);
  }

  async #fetchPanel(): Promise<void> {
    const { Panel, panelSheet } = await loadPanel();
    if (this.#panel || !this.messages) return;
    const sheets = this.root.adoptedStyleSheets;
    if (!sheets.includes(panelSheet)) this.root.adoptedStyleSheets = [...sheets, panelSheet];
    this.#panel = new Panel(this.messages, () => this.notifier, {
      selected: (item, event) => this.select(item, event),
    });
    this.root.append(this.#panel.element);
    this.#button.setAttribute("aria-controls", this.#panel.element.id);
  }

  #expand(open: boolean): void {
    this.#open = open;
    this.#button.setAttribute("aria-expanded", String(open));
  }

  #tellSeen({ unseen, connection, loaded, cursor }: Snapshot): void {
    const looking = this.#panel && loaded && connection === "online" && document.visibilityState === "visible";
    if (unseen === 0 || !looking || cursor === this.#seenAt) return;
    this.#seenAt = cursor;
    attempt(this.notifier?.markSeen());
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !this.#open) return;
    event.stopPropagation();
    if (this.#panel?.leavePreferences()) return;
    this.close();
    this.#button.focus();
  }

  #focusLeft({ relatedTarget }: FocusEvent): void {
    const next = relatedTarget as Node | null;
    if (next && !this.root.contains(next) && !this.contains(next)) this.close();
  }

  /** Under the bell, inside the window: to the side where there is room. */
  #place(): void {
    const panel = this.#panel!.element;
    panel.style.setProperty("--_top", `${this.#button.getBoundingClientRect().bottom}px`);
    panel.classList.remove("to-end");
    const { left, right } = panel.getBoundingClientRect();
    panel.classList.toggle("to-end", left < EDGE || right > innerWidth - EDGE);
  }
}

const loadPanel = () => import("./panel.ts");

function whenIdle(act: () => void): void {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(act);
  else setTimeout(act, IDLE_MS);
}
