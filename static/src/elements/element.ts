import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/messages.ts";
import { attempt, sheet } from "./dom.ts";
import { known, languageOf, load } from "./language.ts";
import baseCss from "./base.css?inline";

/** A server that renders pages has no elements, and must be able to load what imports them. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? Object;

/** Makes an element known to the browser, unless a page that has loaded the client twice did so before. */
export function register(name: string, element: CustomElementConstructor): void {
  const registry = globalThis.customElements;
  if (registry && !registry.get(name)) registry.define(name, element);
}

/**
 * An element that shows a notifier: given by property, listened to while the element is in a document. It speaks
 * the language of the nearest `lang`, or says what `messages` was set to.
 */
export abstract class NotifierElement extends Base {
  static readonly observedAttributes = ["lang"];
  protected readonly root: ShadowRoot;
  #notifier: Notifier | undefined;
  #given: Messages | undefined;
  #spoken: Messages | undefined;
  #binding: AbortController | undefined;
  #scheduled = false;
  readonly #pageLanguage = new MutationObserver(() => this.#localise());

  constructor(css: string) {
    super();
    this.root = this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet(baseCss), sheet(css)];
  }

  get notifier(): Notifier | undefined {
    return this.#notifier;
  }

  set notifier(notifier: Notifier | undefined) {
    const last = this.#notifier;
    if (notifier === last) return;
    this.#unbind();
    this.#notifier = notifier;
    // Nothing of the last user's stays.
    if (last && this.#spoken) this.build(this.#spoken);
    if (this.isConnected) this.#bind();
  }

  /** What the element says; set it to messages of your own, or to undefined for those of the page's language. */
  get messages(): Messages | undefined {
    return this.#spoken;
  }

  set messages(messages: Messages | undefined) {
    this.#given = messages;
    if (this.isConnected) this.#localise();
  }

  connectedCallback(): void {
    this.#adopt("notifier");
    this.#adopt("messages");
    this.#pageLanguage.observe(document.documentElement, { attributeFilter: ["lang"] });
    this.#localise();
  }

  disconnectedCallback(): void {
    this.#pageLanguage.disconnect();
    // What is only moved to another place comes back at once, and goes on.
    queueMicrotask(() => this.isConnected || this.#unbind());
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#localise();
  }

  /** Fills the shadow tree; again whenever the language or the notifier changes. */
  protected abstract build(messages: Messages): void;

  /** Listens to the notifier and the document, until the signal. */
  protected abstract bind(notifier: Notifier, until: AbortSignal): void;

  /** Brings the shadow tree up to date; once for all changes before the next frame. */
  protected abstract render(snapshot: Snapshot, messages: Messages): void;

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
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.renderNow();
    });
  }

  protected renderNow(): void {
    if (this.#binding && this.#notifier && this.#spoken) this.render(this.#notifier.snapshot, this.#spoken);
  }

  /** A property set before the element was defined lies in front of the accessor. */
  #adopt(name: "notifier" | "messages"): void {
    const early = Object.getOwnPropertyDescriptor(this, name)?.value as never;
    if (!early) return;
    delete (this as Partial<Record<typeof name, unknown>>)[name];
    this[name] = early;
  }

  #localise(): void {
    const language = languageOf(this);
    const messages = this.#given ?? known(language);
    if (messages) return this.#speak(messages);
    void load(language).then((loaded) => {
      if (this.isConnected && languageOf(this) === language && !this.#given) this.#speak(loaded);
    });
  }

  #speak(messages: Messages): void {
    if (messages !== this.#spoken) {
      this.#spoken = messages;
      this.build(messages);
    }
    this.#bind();
    this.schedule();
  }

  #bind(): void {
    const notifier = this.#notifier;
    if (!notifier || !this.#spoken || this.#binding) return;
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
