/** Building and updating DOM. Text is always set as text; nothing here parses HTML. */

export type Attributes = Readonly<Record<string, string | boolean | undefined>>;
type Child = Node | string | undefined;

/** An element with attributes and children; `true` sets an empty attribute, `false` and undefined none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** A button that does one thing. */
export function button(attributes: Attributes, act: (event: MouseEvent) => void, ...children: Child[]) {
  const element = h("button", { type: "button", ...attributes }, ...children);
  element.addEventListener("click", act);
  return element;
}

/** Touches the document only when the text differs, so that live regions speak once. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Changes what is inside of `within`. Where that takes the focus from what `left`, it goes where `refuge` says. */
export function keepFocus(
  within: HTMLElement,
  change: () => void,
  refuge: (left: HTMLElement) => HTMLElement | undefined,
): void {
  const root = within.getRootNode() as ShadowRoot;
  const active = root.activeElement as HTMLElement | null;
  const hadFocus = active && within.contains(active);
  change();
  const hasFocus = root.activeElement;
  const isThere = hasFocus && !hasFocus.closest("[hidden], [data-leaving]");
  if (hadFocus && !isThere) refuge(active)?.focus();
}

/** A view of one thing of type T. */
export interface View<T> {
  readonly element: HTMLElement;
  update(value: T): void;
}

/** Shows a list as views that keep their element, focus and animation while the list changes around them. */
export class ViewList<T> {
  readonly #views = new Map<string, View<T>>();

  constructor(
    private readonly parent: Element,
    private readonly key: (value: T) => string,
    private readonly create: (value: T) => View<T>,
    private readonly leave: (element: HTMLElement, key: string) => void,
  ) {}

  update(values: readonly T[]): void {
    this.#removeAllBut(new Set(values.map(this.key)));
    let place: Element | null = this.parent.firstElementChild;
    for (const value of values) {
      const { element } = this.#view(value);
      while (place && place !== element && place.hasAttribute("data-leaving")) place = place.nextElementSibling;
      if (element === place) place = place.nextElementSibling;
      else this.parent.insertBefore(element, place);
    }
  }

  element(key: string): HTMLElement | undefined {
    return this.#views.get(key)?.element;
  }

  *entries(): Iterable<[string, HTMLElement]> {
    for (const [key, { element }] of this.#views) yield [key, element];
  }

  #view(value: T): View<T> {
    const key = this.key(value);
    const view = this.#views.get(key) ?? this.create(value);
    this.#views.set(key, view);
    view.update(value);
    return view;
  }

  #removeAllBut(keys: ReadonlySet<string>): void {
    for (const [key, { element }] of this.#views) {
      if (keys.has(key)) continue;
      this.#views.delete(key);
      element.setAttribute("data-leaving", "");
      this.leave(element, key);
    }
  }
}

/** Lets the leaving animation of the stylesheet play, then removes; at once where there is none. */
export function leaveAnimated(element: HTMLElement): void {
  const animations = element.getAnimations?.() ?? [];
  if (animations.length === 0) element.remove();
  Promise.allSettled(animations.map((animation) => animation.finished)).then(() => element.remove());
}

/** An action of the notifier whose failure is shown elsewhere: the bell hears of all of them. */
export function attempt(action: Promise<void> | undefined): void {
  action?.catch(() => undefined);
}

/** A stylesheet for shadow roots; needs no permission from a Content-Security-Policy. */
export function sheet(css: string): CSSStyleSheet {
  const result = new CSSStyleSheet();
  result.replaceSync(css);
  return result;
}
