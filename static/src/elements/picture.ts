import type { TypeInfo } from "../client/catalogue.ts";
import type { Entry } from "../client/protocol.ts";
import { isUrgent, safeImage } from "../index.ts";
import { h } from "./dom.ts";
import { icon } from "./icons.ts";

const COLORS = new Set(["grey", "blue", "green", "orange", "red", "purple", "pink", "teal"]);

/** What a notification looks like at a glance: "!" when urgent, the sender's avatar, or the icon of its type. */
export function picture(entry: Entry, info: TypeInfo): HTMLElement {
  const color = COLORS.has(info.color) ? info.color : "grey";
  if (isUrgent(entry)) return h("span", { class: "picture urgent", part: "icon" }, icon("alert"));
  const symbol = icon(entry.icon ?? info.icon);
  const avatar = safeImage(entry.sender?.avatar);
  if (!avatar) return h("span", { class: `picture ${color}`, part: "icon" }, symbol);
  const image = h("img", { src: avatar, alt: "", loading: "lazy", referrerpolicy: "no-referrer" });
  const badge = h("span", { class: `mini ${color}` }, symbol);
  const frame = h("span", { class: "picture avatar", part: "avatar" }, image, badge);
  image.addEventListener("error", () => frame.replaceWith(picture(withoutAvatar(entry), info)));
  return frame;
}

function withoutAvatar({ sender, ...rest }: Entry): Entry {
  return sender ? { ...rest, sender: { id: sender.id, name: sender.name } } : rest;
}
