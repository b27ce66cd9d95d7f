import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import { Presenter, type Toast } from "../index.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/messages.ts";
import cardCss from "./card.css?inline";
import { ViewList, attempt, h, keepFocus, leaveAnimated } from "./dom.ts";
import { NotifierElement, onAbort } from "./element.ts";
import { Modal } from "./modal.ts";
import { titleOf } from "./text.ts";
import { spoken, toastView } from "./toast.ts";
import toastsCss from "./toasts.css?inline";

const PLACEMENTS = ["top", "bottom"] as const;
/** A toast that grows is spoken again after this, not with every number it passes. */
const REST_MS = 1_500;

/**
 * `<notifier-toasts>`: toasts, the dialog for what is critical, and browser notifications while the page is
 * hidden. Give it a notifier: `toasts.notifier = notifier`. Fires `notifier-select` like the bell, and
 * `notifier-open` (detail: the notifier) when a group or summary asks for the bell to open.
 */
export class NotifierToasts extends NotifierElement {
  /** In the page before the first toast, or screen readers miss it. */
  readonly #polite = h("div", { class: "hidden", role: "status" });
  readonly #assertive = h("div", { class: "hidden", role: "alert" });
  #stacks: HTMLElement[] = [];
  #lists: ViewList<Toast>[] = [];
  #modal: Modal | undefined;
  #presenter: Presenter | undefined;
  /** How many each toast stood for when it was last spoken. */
  readonly #spoken = new Map<string, number>();
  readonly #resting = new Set<string>();
  /** Where the focus was before it came to the toasts. */
  #origin: HTMLElement | undefined;

  constructor() {
    super(cardCss + toastsCss);
    this.root.append(this.#polite, this.#assertive);
    for (const use of ["pointerover", "pointerout", "focusin", "focusout"]) {
      this.root.addEventListener(use, () => this.#holdWhileUsed());
    }
    for (const use of ["focusin", "focusout"] as const) {
      this.root.addEventListener(use, (event) => {
        const other = (event as FocusEvent).relatedTarget as HTMLElement | null;
        if (other && !this.root.contains(other)) this.#origin = use === "focusin" ? other : undefined;
      });
    }
  }

  /** A dialog that is moved stays open, but keeps nobody from the rest of the page any more: it opens anew. */
  override disconnectedCallback(): void {
    this.#modal?.render([]);
    super.disconnectedCallback();
  }

  protected override build(messages: Messages): void {
    const actions = {
      info: (type: string) => this.notifier!.typeInfo(type),
      select: (item: Item, event: Event) => this.select(item, event),
      openInbox: (toast: Toast) => this.#openInbox(toast),
      close: (toast: Toast) => this.#close(toast),
      acknowledge: (item: Item) => attempt(this.#presenter?.acknowledge(item)),
    };
    for (const old of [...this.#stacks, this.#modal?.element]) old?.remove();
    for (const region of [this.#polite, this.#assertive]) region.replaceChildren();
    this.#modal = new Modal(messages, actions);
    this.#stacks = PLACEMENTS.map((placement) =>
      h("ol", { class: `stack ${placement}`, part: "stack", "aria-label": messages.toasts }),
    );
    this.#lists = this.#stacks.map(
      (stack) => new ViewList<Toast>(stack, ({ key }) => key, () => toastView(messages, actions), leaveAnimated),
    );
    this.root.append(...this.#stacks, this.#modal.element);
  }

  protected override bind(notifier: Notifier, until: AbortSignal): void {
    const presenter = new Presenter(notifier, () => this.schedule());
    this.#presenter = presenter;
    const visibility = () => presenter.hold("hidden", document.visibilityState !== "visible");
    document.addEventListener("visibilitychange", visibility, { signal: until });
    document.addEventListener("keydown", (event) => this.#hotkey(event), { signal: until });
    visibility();
    onAbort(until, () => {
      presenter.stop();
      this.#presenter = undefined;
    });
  }

  protected override render(_: Snapshot, messages: Messages): void {
    const { toasts = [], critical = [] } = this.#presenter ?? {};
    PLACEMENTS.forEach((placement, index) => {
      const there = toasts.filter((toast) => toast.placement === placement);
      const update = () => this.#lists[index]?.update(there);
      keepFocus(this.#stacks[index]!, update, () => this.#first ?? this.#takeOrigin());
    });
    this.#speak(toasts, messages);
    this.#modal?.render(critical);
    // A toast that vanishes under the pointer or with the focus tells nobody that it was left.
    this.#holdWhileUsed();
  }

  #openInbox(toast: Toast): void {
    this.#presenter?.close(toast);
    this.dispatchEvent(new CustomEvent("notifier-open", { detail: this.notifier, bubbles: true, composed: true }));
  }

  #close(toast: Toast): void {
    this.#presenter?.close(toast);
    this.renderNow();
  }

  #hotkey(event: KeyboardEvent): void {
    if (!event.altKey || event.code !== "KeyT" || !this.#presenter?.toasts.length) return;
    event.preventDefault();
    this.renderNow();
    this.#first?.focus();
  }

  /** Once: later it is where the focus was long ago. */
  #takeOrigin(): HTMLElement | undefined {
    const origin = this.#origin;
    this.#origin = undefined;
    return origin;
  }

  get #first(): HTMLElement | undefined {
    const toast = this.root.querySelector(".toast:not([data-leaving])");
    return toast ? titleOf(toast) : undefined;
  }

  #holdWhileUsed(): void {
    for (const use of ["hover", "focus-within"]) {
      this.#presenter?.hold(use, this.#stacks.some((stack) => stack.matches(`:${use}`)));
    }
  }

  /** Says what is new in a region that was in the page before; the urgent interrupts. */
  #speak(toasts: readonly Toast[], messages: Messages): void {
    const fresh = toasts.filter(
      ({ key, items }) => (this.#spoken.get(key) ?? 0) < items.length && !this.#resting.has(key),
    );
    for (const [region, urgent] of [[this.#polite, false], [this.#assertive, true]] as const) {
      const texts = fresh
        .filter((toast) => toast.urgent === urgent)
        .map((toast) => spoken(toast, messages, (type) => this.notifier!.typeInfo(type)));
      if (texts.length) region.replaceChildren(...texts.map((text) => h("p", {}, text)));
    }
    for (const { key, items } of fresh) this.#rest(key, items.length);
    const shown = new Set(toasts.map(({ key }) => key));
    for (const key of this.#spoken.keys()) if (!shown.has(key)) this.#spoken.delete(key);
  }

  #rest(key: string, count: number): void {
    this.#spoken.set(key, count);
    this.#resting.add(key);
    setTimeout(() => {
      this.#resting.delete(key);
      this.schedule();
    }, REST_MS);
  }
}
