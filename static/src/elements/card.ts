import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/en.ts";
import { ago, exactly, safeUrl } from "../index.ts";
import { type View, button, h, setAttributes } from "./dom.ts";
import { icon } from "./icons.ts";
import { picture } from "./picture.ts";

export interface CardActions {
  info(type: string): TypeInfo;
  /** The card itself or one of its links was followed. */
  select(item: Item, event: Event): void;
  setRead(item: Item, read: boolean): void;
  dismiss(item: Item): void;
}

/** One notification in the bell's panel. Rebuilt when its item or the look of its type changes. */
export function card(messages: Messages, actions: CardActions): View<Item> {
  const element = h("li", { class: "card", part: "card" });
  let shown: Item | undefined;
  let look: TypeInfo | undefined;
  return {
    element,
    update(item) {
      const info = actions.info(item.type);
      if (item === shown && info === look) return;
      const focused = focusedControl(element);
      [shown, look] = [item, info];
      const names = `card ${item.priority} ${item.read ? "read" : "unread"}`;
      setAttributes(element, { class: names, part: names, "data-id": item.id });
      element.replaceChildren(...content(item, info, messages, actions));
      if (focused) element.querySelector<HTMLElement>(`[data-control="${focused}"]`)?.focus();
    },
  };
}

/** Brings the relative times under `root` up to date. */
export function refreshTimes(root: ParentNode, { language, justNow }: Messages): void {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = ago(time.dateTime, Date.now(), language, justNow);
  }
}

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
export function textBlock(item: Item, meta: HTMLElement, select: (event: Event) => void): HTMLElement {
  return h(
    "div",
    { class: "text" },
    meta,
    titleControl(item, select),
    item.body ? h("p", { class: "body", part: "body", dir: "auto" }, item.body) : undefined,
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

function content(item: Item, info: TypeInfo, messages: Messages, actions: CardActions): HTMLElement[] {
  const { language, justNow } = messages;
  const { created_at } = item;
  const time = h("time", { datetime: created_at, title: exactly(created_at, language) });
  time.textContent = ago(created_at, Date.now(), language, justNow);
  const state = item.read ? [] : [h("span", { class: "hidden" }, messages.unread)];
  const meta = metaLine(item, info, messages, time, ...state);
  return [
    picture(item, info),
    textBlock(item, meta, (event) => actions.select(item, event)),
    h("span", { class: "controls" }, ...controls(item, messages, actions)),
  ];
}

function controls(item: Item, messages: Messages, actions: CardActions): HTMLElement[] {
  const control = (name: string, label: string, symbol: string, act: () => void) =>
    button(
      { class: "control", "aria-label": `${label}: ${item.title}`, title: label, "data-control": name },
      act,
      icon(symbol),
    );
  return [
    control("read", item.read ? messages.markUnread : messages.markRead, item.read ? "dot" : "check", () =>
      actions.setRead(item, !item.read),
    ),
    control("dismiss", messages.dismiss, "close", () => actions.dismiss(item)),
  ];
}

function focusedControl(element: HTMLElement): string | undefined {
  const root = element.getRootNode() as ShadowRoot;
  const active = root.activeElement;
  return active && element.contains(active) ? (active as HTMLElement).dataset["control"] : undefined;
}
