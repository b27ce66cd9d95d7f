import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/messages.ts";
import { safeUrl } from "../index.ts";
import { h, keepFocus } from "./dom.ts";

/** Where it comes from, led by "Important" or "Critical" as a word: colour alone tells nothing to some. */
export function metaLine(item: Item, info: TypeInfo, messages: Messages, ...more: HTMLElement[]): HTMLElement {
  const word = messages.priority[item.priority];
  const source = item.sender?.name ?? info.label;
  return h(
    "span",
    { class: "meta" },
    word ? h("strong", { class: "word", part: "priority" }, word) : undefined,
    source ? h("span", { class: "source", part: "source", dir: "auto" }, source) : undefined,
    ...more,
  );
}

/** The text of a card or toast: where from, the title, the body, what can be done. */
export function textBlock(
  item: Item,
  meta: HTMLElement,
  select: (event: Event) => void,
  ...more: HTMLElement[]
): HTMLElement {
  return h(
    "div",
    { class: "text" },
    meta,
    titleControl(item, select),
    item.body ? h("p", { class: "body", part: "body", dir: "auto" }, item.body) : undefined,
    ...more,
    actionLinks(item, select),
  );
}

/** The links a notification offers, each to an address that may be followed. */
export function actionLinks(item: Item, select: (event: Event) => void): HTMLElement | undefined {
  const links = (item.actions ?? []).flatMap(({ label, url }) => {
    const href = safeUrl(url);
    return href ? [selectable("a", { class: "action", part: "action", href, rel: "noopener" }, label, select)] : [];
  });
  return links.length ? h("span", { class: "actions" }, ...links) : undefined;
}

/** Draws a card, toast or dialog anew: the focus stays with the control that has it, or goes to the title. */
export function redraw(element: HTMLElement, ...content: readonly HTMLElement[]): void {
  const again = ({ dataset }: HTMLElement) =>
    element.querySelector<HTMLElement>(`[data-control="${dataset["control"]}"]`) ?? titleOf(element);
  keepFocus(element, () => element.replaceChildren(...content), again);
}

/** What is to be focused in a card, toast or dialog. */
export function titleOf(element: Element): HTMLElement | undefined {
  return element.querySelector<HTMLElement>('[data-control="title"]') ?? undefined;
}

/** The title: a link when there is somewhere to go. */
function titleControl(item: Item, select: (event: Event) => void): HTMLElement {
  const href = safeUrl(item.url);
  const attributes = { class: "title", part: "title", "data-control": "title", dir: "auto" };
  return href
    ? selectable("a", { ...attributes, href, rel: "noopener" }, item.title, select)
    : selectable("button", { ...attributes, type: "button" }, item.title, select);
}

function selectable(
  tag: "a" | "button",
  attributes: Parameters<typeof h>[1],
  label: string,
  select: (event: Event) => void,
): HTMLElement {
  const element = h(tag, attributes, label);
  element.addEventListener("click", select);
  return element;
}
