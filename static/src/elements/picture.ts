import type { TypeInfo } from "../client/catalogue.ts";
import type { Entry } from "../client/protocol.ts";
import { isUrgent, safeImage } from "../index.ts";
import { h } from "./dom.ts";
import { icon } from "./icons.ts";

const COLORS = new Set(["grey", "blue", "green", "orange", "red", "purple", "pink", "teal"]);
/** More faces than these cannot be told apart. */
const MOST = 2;

/** What a notification looks like at a glance: "!" when urgent, who sent it, or the icon of its type. */
export function picture(entry: Entry, info: TypeInfo): HTMLElement {
  if (isUrgent(entry)) return h("span", { class: "picture urgent", part: "icon" }, icon("alert"));
  const color = COLORS.has(info.color) ? info.color : "grey";
  const people = entry.senders ?? (entry.sender ? [entry.sender] : []);
  const addresses = people.flatMap(({ avatar }) => safeImage(avatar) ?? []).slice(0, MOST);
  const plain = h("span", { class: `picture ${color}`, part: "icon" }, icon(entry.icon ?? info.icon));
  if (!addresses.length) return plain;
  const badge = h("span", { class: `mini ${color}` }, icon(entry.icon ?? info.icon));
  const images = addresses.map((src) => h("img", { src, alt: "", loading: "lazy", referrerpolicy: "no-referrer" }));
  const several = images.length > 1 ? " several" : "";
  const frame = h("span", { class: `picture avatar${several}`, part: "avatar" }, ...images, badge);
  for (const image of images) {
    image.addEventListener("error", () => {
      image.remove();
      frame.classList.remove("several");
      if (!frame.querySelector("img")) frame.replaceWith(plain);
    });
  }
  return frame;
}
