import { h } from "../elements/dom.ts";
import { type Desk, type Section, section } from "./section.ts";

/** One switch. */
export function sound(desk: Desk): Section {
  const { words } = desk;
  const field = h("input", { type: "checkbox", role: "switch", class: "switch", "aria-label": words.sound });
  field.addEventListener("change", () => desk.change({ sound: field.checked }));
  const line = h("label", { class: "line" }, h("span", { class: "hint" }, words.soundHint), field);
  return {
    element: section("sound", words.sound, "", line),
    update: (preferences) => void (field.checked = preferences.sound),
  };
}
