import type { Notifier } from "../client/notifier.ts";
import { Presenter, type Toast } from "../index.ts";
import type { Item } from "../inbox/inbox.ts";
import cardCss from "./card.css?inline";
import { ViewList, attempt, h, leaveAnimated } from "./dom.ts";
import { NotifierElement, onAbort } from "./element.ts";
import { Modal } from "./modal.ts";
import { spoken, toastView } from "./toast.ts";
import toastsCss from "./toasts.css?inline";

const PLACEMENTS = ["top", "bottom"] as const;

/**
 * `<notifier-toasts>`: toasts, the dialog for what is critical, and browser notifications while the page is
 * hidden. Give it a notifier: `toasts.notifier = notifier`. Fires `notifier-select` like the bell, and
 * `notifier-open` (detail: the notifier) when a group or summary asks for the bell to open.
 */
export class NotifierToasts extends NotifierElement {
  readonly #polite = h("div", { class: "hidden", role: "status" });
  readonly #assertive = h("div", { class: "hidden", role: "alert" });
  readonly #stacks: HTMLElement[];
  readonly #lists: ViewList<Toast>[];
  readonly #modal: Modal;
  #presenter: Presenter | undefined;
  /** How many each toast stood for when it was last spoken. */
  #spoken = new Map<string, number>();

  constructor() {
    super(cardCss + toastsCss);
    const actions = {
      info: (type: string) => this.notifier!.typeInfo(type),
      select: (item: Item, event: Event) => this.select(item, event),
      openInbox: (toast: Toast) => this.#openInbox(toast),
      close: (toast: Toast) => this.#close(toast),
      acknowledge: (item: Item) => attempt(this.#presenter?.acknowledge(item)),
    };
    this.#modal = new Modal(this.messages, actions);
    this.#stacks = PLACEMENTS.map((placement) =>
      h("ol", { class: `stack ${placement}`, part: "stack", "aria-label": this.messages.toasts }),
    );
    this.#lists = this.#stacks.map(
      (stack) =>
        new ViewList<Toast>(stack, ({ key }) => key, () => toastView(this.messages, actions), leaveAnimated),
    );
    this.root.append(this.#polite, this.#assertive, ...this.#stacks, this.#modal.element);
    for (const use of ["pointerover", "pointerout", "focusin", "focusout"]) {
      this.root.addEventListener(use, () => this.#holdWhileUsed());
    }
  }

  protected override bind(notifier: Notifier, until: AbortSignal): void {
    const presenter = new Presenter(notifier, () => this.schedule());
    this.#presenter = presenter;
    const visibility = () => presenter.hold("hidden", document.visibilityState !== "visible");
    document.addEventListener("visibilitychange", visibility, { signal: until });
    document.addEventListener("keydown", (event) => this.#hotkey(event), { signal: until });
    visibility();
    onAbort(until, () => presenter.stop());
  }

  protected override render(): void {
    const { toasts = [], critical = [] } = this.#presenter ?? {};
    PLACEMENTS.forEach((placement, index) => {
      this.#lists[index]?.update(toasts.filter((toast) => toast.placement === placement));
    });
    this.#speak(toasts);
    this.#modal.render(critical);
    // A toast that vanishes under the pointer or with the focus tells nobody that it was left.
    this.#holdWhileUsed();
  }

  #openInbox(toast: Toast): void {
    this.#presenter?.close(toast);
    this.dispatchEvent(new CustomEvent("notifier-open", { detail: this.notifier, bubbles: true, composed: true }));
  }

  /** With the keyboard, focus goes on to the next toast. */
  #close(toast: Toast): void {
    const hadFocus = this.root.activeElement !== null;
    this.#presenter?.close(toast);
    queueMicrotask(() => hadFocus && this.#focusFirst());
  }

  #hotkey(event: KeyboardEvent): void {
    if (!event.altKey || event.code !== "KeyT" || !this.#presenter?.toasts.length) return;
    event.preventDefault();
    this.#focusFirst();
  }

  #focusFirst(): void {
    this.root.querySelector<HTMLElement>('.toast:not([data-leaving]) [data-control="title"]')?.focus();
  }

  #holdWhileUsed(): void {
    for (const use of ["hover", "focus-within"]) {
      this.#presenter?.hold(use, this.#stacks.some((stack) => stack.matches(`:${use}`)));
    }
  }

  /** Says what is new in a region that was in the page before; the urgent interrupts. */
  #speak(toasts: readonly Toast[]): void {
    const fresh = toasts.filter(({ key, items }) => (this.#spoken.get(key) ?? 0) < items.length);
    for (const [region, urgent] of [[this.#polite, false], [this.#assertive, true]] as const) {
      const texts = fresh
        .filter((toast) => toast.urgent === urgent)
        .map((toast) => spoken(toast, this.messages, (type) => this.notifier!.typeInfo(type)));
      if (texts.length) region.replaceChildren(...texts.map((text) => h("p", {}, text)));
    }
    this.#spoken = new Map(toasts.map((toast) => [toast.key, toast.items.length]));
  }
}
