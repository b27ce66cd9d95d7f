import { h } from "../elements/dom.ts";
import { type Desk, type Section, section, setValue, timeField } from "./section.ts";

/** When the daily digest is made; of interest only to those who have one. */
export function digestTime(desk: Desk): Section {
  const { words } = desk;
  const field = timeField(words.digestAt, (digest_at) => desk.change({ digest_at }));
  const line = h("label", { class: "line" }, h("span", { class: "hint" }, words.digestHint), field);
  const element = section("digest", words.digestAt, "", line);
  return {
    element,
    update({ digests, digest_at }) {
      element.hidden = !Object.values(digests).includes("daily");
      setValue(field, digest_at);
    },
  };
}
