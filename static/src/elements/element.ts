import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import { type Messages, en } from "../locales/en.ts";
import { attempt, sheet } from "./dom.ts";
import baseCss from "./base.css?inline";

/** An element that shows a notifier: given by property, listened to while the element is in a document. */
export abstract class NotifierElement extends HTMLElement {
  readonly messages: Messages = en;
  protected readonly root: ShadowRoot;
  #notifier: Notifier | undefined;
  #binding: AbortController | undefined;
  #scheduled = false;

  constructor(css: string) {
    super();
    this.root = this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet(baseCss), sheet(css)];
  }

  get notifier(): Notifier | undefined {
    return this.#notifier;
  }

  set notifier(notifier: Notifier | undefined) {
    this.#unbind();
    this.#notifier = notifier;
    if (this.isConnected) this.#bind();
  }

  connectedCallback(): void {
    this.#adopt();
    this.#bind();
  }

  disconnectedCallback(): void {
    this.#unbind();
  }

  /** Listens to the notifier and the document, until the signal. */
  protected abstract bind(notifier: Notifier, until: AbortSignal): void;

  /** Brings the shadow tree up to date; runs once for all changes of one turn. */
  protected abstract render(snapshot: Snapshot): void;

  /** A card, toast or link was followed: the application may prevent that; the notification is read. */
  protected select(item: Item, event: Event): void {
    const select = new CustomEvent("notifier-select", {
      detail: item,
      bubbles: true,
      composed: true,
      cancelable: true,
    });
    if (!this.dispatchEvent(select)) event.preventDefault();
    if (!item.read) attempt(this.#notifier?.markRead([item.id]));
  }

  protected schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#notifier && this.isConnected) this.render(this.#notifier.snapshot);
    });
  }

  /** A property set before the element was defined lies in front of the accessor. */
  #adopt(): void {
    const early = Object.getOwnPropertyDescriptor(this, "notifier")?.value as Notifier | undefined;
    if (!early) return;
    delete (this as { notifier?: Notifier | undefined }).notifier;
    this.#notifier = early;
  }

  #bind(): void {
    const notifier = this.#notifier;
    if (!notifier || this.#binding) return;
    this.#binding = new AbortController();
    const until = this.#binding.signal;
    const changed = () => this.schedule();
    onAbort(until, notifier.subscribe(changed));
    onAbort(until, notifier.on("types", changed));
    this.bind(notifier, until);
    changed();
  }

  #unbind(): void {
    this.#binding?.abort();
    this.#binding = undefined;
  }
}

export function onAbort(signal: AbortSignal, end: () => void): void {
  signal.addEventListener("abort", end);
}
