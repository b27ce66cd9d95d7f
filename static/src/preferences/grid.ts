import { button, h, setText } from "../elements/dom.ts";
import { icon } from "../elements/icons.ts";
import type { TypeInfo } from "../client/catalogue.ts";
import { fill } from "../locales/messages.ts";
import { CHANNELS, type Channel, type Preferences } from "../client/preferences.ts";
import { type Desk, type Section, menu, section, setValue } from "./section.ts";

type Digest = "hourly" | "daily";

const ICONS: Readonly<Record<Channel, string>> = { bell: "bell", toast: "message", browser: "screen", push: "phone" };

/** Types by channel as a table: what reaches the user, where, and at once or gathered. */
export function grid(desk: Desk): Section {
  const { words } = desk;
  const body = h("tbody");
  const permission = askPermission(desk);
  const headers = CHANNELS.map((channel) =>
    h("th", { scope: "col", title: words.channels[channel] }, icon(ICONS[channel]), h("span", {}, words.channels[channel])),
  );
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden" }, words.type)), ...headers)),
    body,
  );
  table.addEventListener("keydown", (event) => walk(event, body));
  let shown: ReadonlyMap<string, TypeInfo> | undefined;
  let rows: readonly Row[] = [];
  return {
    element: section("types", words.types, "", table, permission.element),
    update(preferences, types) {
      if (types !== shown) {
        shown = types;
        rows = [...types].map(([name, info]) => new Row(desk, name, info));
        body.replaceChildren(...rows.map(({ element }) => element));
      }
      for (const row of rows) row.update(preferences);
      permission.update();
    },
  };
}

/** One type: its switches, and its digest where it may have one. */
class Row {
  readonly element: HTMLElement;
  readonly #switches = new Map<Channel, HTMLInputElement>();
  readonly #digest: HTMLSelectElement | undefined;

  constructor(
    private readonly desk: Desk,
    private readonly name: string,
    private readonly info: TypeInfo,
  ) {
    const { words } = desk;
    const label = info.label || name;
    if (info.mutable && info.digest) this.#digest = this.#digestMenu(label);
    const fixed = info.mutable ? undefined : h("span", { class: "fixed" }, icon("lock"), words.mandatory);
    const text = h("span", { class: "label" }, h("span", { dir: "auto" }, label), this.#digest, fixed);
    const heading = h("th", { scope: "row" }, h("span", { class: "type" }, this.#picture(), text));
    this.element = h("tr", {}, heading, ...CHANNELS.map((channel) => this.#cell(channel, label)));
  }

  update({ types, digests }: Preferences): void {
    const chosen = types[this.name] ?? {};
    for (const [channel, field] of this.#switches) field.checked = !this.info.mutable || (chosen[channel] ?? true);
    this.element.classList.toggle("muted", this.info.mutable && chosen.bell === false);
    if (this.#digest) setValue(this.#digest, digests[this.name] ?? "off");
  }

  #picture(): HTMLElement {
    return h("span", { class: `picture ${this.info.color}` }, icon(this.info.icon));
  }

  #cell(channel: Channel, label: string): HTMLElement {
    if (!reaches(this.info, channel)) return h("td", { class: "none" }, h("span", { "aria-hidden": "true" }, "–"));
    const name = fill(this.desk.words.cell, { type: label, channel: this.desk.words.channels[channel] });
    const field = h("input", { type: "checkbox", "aria-label": name, disabled: !this.info.mutable });
    field.addEventListener("change", () => {
      // On is what no choice means, so nothing has to be kept for it.
      this.desk.change({ types: { [this.name]: { [channel]: field.checked ? null : false } } });
    });
    this.#switches.set(channel, field);
    return h("td", {}, field);
  }

  #digestMenu(label: string): HTMLSelectElement {
    const { words } = this.desk;
    const choices = (["off", "hourly", "daily"] as const).map((value) => [value, words.digests[value]] as const);
    return menu(`${label}: ${words.delivery}`, choices, (value) =>
      this.desk.change({ digests: { [this.name]: value === "off" ? null : (value as Digest) } }),
    );
  }
}

function reaches({ display }: TypeInfo, channel: Channel): boolean {
  return !display || display.includes(channel) || (channel === "toast" && display.includes("modal"));
}

/** Arrow keys go from switch to switch, past what is none. */
function walk(event: KeyboardEvent, body: HTMLElement): void {
  const field = event.target as HTMLElement;
  if (field.tagName !== "INPUT") return;
  const ahead = getComputedStyle(body).direction === "rtl" ? -1 : 1;
  const steps: Record<string, readonly [number, number]> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -ahead],
    ArrowRight: [0, ahead],
  };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const rows = [...body.children].map((row) => [...row.children]);
  let y = rows.findIndex((row) => row.some((cell) => cell.contains(field)));
  let x = rows[y]!.findIndex((cell) => cell.contains(field));
  for (;;) {
    y += step[0];
    x += step[1];
    const cell = rows[y]?.[x];
    if (!cell) return;
    const next = cell.querySelector<HTMLInputElement>("input:enabled");
    if (next) return next.focus();
  }
}

/** The browser's own permission, without which its column does nothing. */
function askPermission({ words }: Desk) {
  const text = h("span");
  const element = h("p", { class: "permission" }, text);
  const allow = button({ class: "plain" }, () => void Notification.requestPermission().then(update), words.permission.allow);
  const update = () => {
    const state = "Notification" in globalThis ? Notification.permission : "granted";
    element.hidden = state === "granted";
    setText(text, state === "denied" ? words.permission.denied : words.permission.ask);
    if (state === "default") element.append(allow);
    else allow.remove();
  };
  return { element, update };
}
