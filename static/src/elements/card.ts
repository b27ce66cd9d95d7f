import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import type { Messages } from "../locales/messages.ts";
import { ago, exactly } from "../index.ts";
import { type View, button, h, setAttributes, setText } from "./dom.ts";
import { icon } from "./icons.ts";
import { picture } from "./picture.ts";
import { metaLine, redraw, textBlock } from "./text.ts";

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
      [shown, look] = [item, info];
      const names = `card ${item.priority} ${item.read ? "read" : "unread"}`;
      setAttributes(element, { class: names, part: names, "data-id": item.id });
      redraw(element, ...content(item, info, messages, actions));
    },
  };
}

/** Brings the relative times under `root` up to date. */
export function refreshTimes(root: ParentNode, { language }: Messages): void {
  for (const time of root.querySelectorAll("time")) setText(time, ago(time.dateTime, Date.now(), language));
}

function content(item: Item, info: TypeInfo, messages: Messages, actions: CardActions): HTMLElement[] {
  const { language } = messages;
  const { created_at } = item;
  const time = h("time", { datetime: created_at, title: exactly(created_at, language) });
  time.textContent = ago(created_at, Date.now(), language);
  const state = item.read ? [] : [h("span", { class: "hidden" }, messages.unread)];
  const meta = metaLine(item, info, messages, time, ...state);
  const text = textBlock(item, meta, (event) => actions.select(item, event), ...gathered(item));
  return [
    picture(item, info),
    // The application may put something of its own in the place of the text.
    h("slot", { name: `card:${item.notification_id}` }, text),
    h("span", { class: "controls" }, ...controls(item, messages, actions)),
  ];
}

/** The newest of what a digest stands for. */
function gathered({ digest }: Item): HTMLElement[] {
  const titles = digest?.titles.map((title) => h("li", { dir: "auto" }, title)) ?? [];
  return titles.length ? [h("ul", { class: "gathered", part: "gathered" }, ...titles)] : [];
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
