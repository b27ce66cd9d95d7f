import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import { type Messages, counted } from "../locales/messages.ts";
import type { Toast } from "../toasts/queue.ts";
import { metaLine, redraw, textBlock } from "./text.ts";
import { type View, button, h, setAttributes } from "./dom.ts";
import { icon } from "./icons.ts";
import { picture } from "./picture.ts";
import { swipeable } from "./swipe.ts";

export interface ToastActions {
  info(type: string): TypeInfo;
  select(item: Item, event: Event): void;
  /** Shows the inbox: what a group or a summary stands for. */
  openInbox(toast: Toast): void;
  close(toast: Toast): void;
}

/** One toast on the screen. */
export function toastView(messages: Messages, actions: ToastActions): View<Toast> {
  const element = h("li", { class: "toast", part: "toast" });
  let shown: Toast | undefined;
  swipeable(element, () => shown && actions.close(shown));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown) return;
    event.stopPropagation();
    actions.close(shown);
  });
  return {
    element,
    update(toast) {
      if (toast === shown) return;
      shown = toast;
      const look = toast.urgent ? "urgent" : (toast.items.at(-1)?.priority ?? "normal");
      setAttributes(element, { class: `toast ${look}`, part: `toast ${look}` });
      redraw(element, ...content(toast, messages, actions), closeButton(toast, messages, actions));
    },
  };
}

/** What a screen reader says of a toast. */
export function spoken(toast: Toast, messages: Messages, info: (type: string) => TypeInfo): string {
  const item = toast.items.at(-1);
  if (!item) return "";
  if (toast.kind !== "single") return heading(toast, messages, info);
  const parts = [messages.priority[item.priority], item.sender?.name, item.title, item.body];
  return parts.filter(Boolean).join(". ");
}

function content(toast: Toast, messages: Messages, actions: ToastActions): HTMLElement[] {
  const item = toast.items.at(-1);
  if (!item) return [];
  return toast.kind === "single" ? single(item, messages, actions) : many(toast, item, messages, actions);
}

function single(item: Item, messages: Messages, actions: ToastActions): HTMLElement[] {
  const info = actions.info(item.type);
  const select = (event: Event) => actions.select(item, event);
  return [picture(item, info), textBlock(item, metaLine(item, info, messages), select)];
}

/** A group shows its latest, a summary only the number. */
function many(toast: Toast, latest: Item, messages: Messages, actions: ToastActions): HTMLElement[] {
  const open = () => actions.openInbox(toast);
  const grouped = toast.kind === "group";
  const image = grouped
    ? picture(latest, actions.info(latest.type))
    : h("span", { class: `picture ${toast.urgent ? "urgent" : "grey"}` }, icon("bell"));
  const text = h(
    "div",
    { class: "text" },
    button({ class: "title", part: "title", "data-control": "title" }, open, heading(toast, messages, actions.info)),
    grouped ? h("p", { class: "body", dir: "auto" }, latest.title) : undefined,
    h("span", { class: "actions" }, button({ class: "action", part: "action" }, open, messages.open)),
  );
  return [image, text];
}

function heading(toast: Toast, messages: Messages, info: (type: string) => TypeInfo): string {
  const count = toast.items.length;
  if (toast.kind === "summary") return counted(messages, messages.summary, count);
  const { label } = info(toast.items[0]?.type ?? "");
  return label ? counted(messages, messages.groupOf, count, { label }) : counted(messages, messages.group, count);
}

function closeButton(toast: Toast, messages: Messages, actions: ToastActions): HTMLElement {
  return button(
    { class: "control", part: "close", "data-control": "close", "aria-label": messages.close, title: messages.close },
    () => actions.close(toast),
    icon("close"),
  );
}
