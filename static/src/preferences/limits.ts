import { h } from "../elements/dom.ts";
import type { Priority } from "../client/protocol.ts";
import { CHANNELS } from "../client/preferences.ts";
import { type Desk, type Section, menu, section, setValue } from "./section.ts";

const PRIORITIES: readonly Priority[] = ["low", "normal", "high", "critical"];

/** The least priority that reaches the user, for each channel. */
export function minimum(desk: Desk): Section {
  const { words } = desk;
  const choices = PRIORITIES.map((priority) => [priority, words.priorities[priority]] as const);
  const menus = CHANNELS.map((channel) => {
    const name = words.channels[channel];
    const chosen = (value: string) =>
      desk.change({ minimum: { [channel]: value === "low" ? null : (value as Priority) } });
    return { channel, name, field: menu(`${words.minimum}: ${name}`, choices, chosen) };
  });
  const lines = menus.map(({ name, field }) => h("label", { class: "line" }, h("span", {}, name), field));
  return {
    element: section("minimum", words.minimum, words.minimumHint, ...lines),
    update(preferences) {
      for (const { channel, field } of menus) setValue(field, preferences.minimum[channel] ?? "low");
    },
  };
}
