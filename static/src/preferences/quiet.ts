import { button, h, setText } from "../elements/dom.ts";
import { icon } from "../elements/icons.ts";
import type { Day, QuietHours } from "../client/preferences.ts";
import { fill } from "../locales/messages.ts";
import { type Desk, type Section, menu, section, setValue, timeField } from "./section.ts";

const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/** A Monday, to name the days of the week after. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;
/** The server keeps no more. */
const MOST = 10;
const FIRST: QuietHours = { days: [...DAYS], from: "22:00", to: "07:00" };

/** The windows of the week in which only the bell counts, and the zone their times are meant in. */
export function quiet(desk: Desk): Section {
  const { words } = desk;
  const list = h("ul", { class: "windows" });
  let windows: readonly Window[] = [];
  const chosen = () => desk.now().quiet_hours;
  const change = (quiet_hours: readonly QuietHours[]) => desk.change({ quiet_hours });
  const replace = (index: number, part: Partial<QuietHours>) => {
    change(chosen().map((hours, other) => (other === index ? { ...hours, ...part } : hours)));
  };
  const remove = (index: number) => {
    change(chosen().toSpliced(index, 1));
    add.focus();
  };
  const add = button(
    { class: "plain" },
    () => {
      // Whoever chose no zone yet means the time on the wall behind this screen.
      if (desk.now().time_zone === "UTC") desk.change({ quiet_hours: [...chosen(), FIRST], time_zone: deviceZone() });
      else change([...chosen(), FIRST]);
    },
    icon("plus"),
    words.addQuiet,
  );
  const zone = zoneMenu(desk);
  const zoneLine = h("label", { class: "line" }, h("span", {}, words.timeZone), zone);
  return {
    element: section("quiet", words.quiet, words.quietHint, list, add, zoneLine),
    update({ quiet_hours, time_zone, digests }) {
      if (quiet_hours.length !== windows.length) {
        windows = quiet_hours.map((_, index) => new Window(desk, (part) => replace(index, part), () => remove(index)));
        list.replaceChildren(...windows.map(({ element }) => element));
      }
      windows.forEach((window, index) => window.update(quiet_hours[index]!));
      add.hidden = quiet_hours.length >= MOST;
      zoneLine.hidden = quiet_hours.length === 0 && Object.keys(digests).length === 0;
      if (![...zone.options].some(({ value }) => value === time_zone)) zone.append(h("option", {}, time_zone));
      setValue(zone, time_zone);
    },
  };
}

/** One window: its days, from when to when. */
class Window {
  readonly element: HTMLElement;
  readonly #from: HTMLInputElement;
  readonly #to: HTMLInputElement;
  readonly #note = h("span", { class: "hint" });
  readonly #days = new Map<Day, HTMLInputElement>();

  constructor(
    private readonly desk: Desk,
    private readonly changed: (part: Partial<QuietHours>) => void,
    remove: () => void,
  ) {
    const { words, language } = desk;
    this.#from = timeField(words.from, (from) => this.changed({ from }));
    this.#to = timeField(words.to, (to) => this.changed({ to }));
    const away = button({ class: "tool", "aria-label": words.removeQuiet, title: words.removeQuiet }, remove, icon("trash"));
    this.element = h(
      "li",
      { class: "window" },
      h("div", { class: "days", role: "group", "aria-label": words.days }, ...week(language).map((day) => this.#day(day))),
      h("div", { class: "hours" }, this.#from, h("span", { "aria-hidden": "true" }, "–"), this.#to, this.#note, away),
    );
  }

  update({ from, to, days }: QuietHours): void {
    setValue(this.#from, from);
    setValue(this.#to, to);
    for (const [day, field] of this.#days) field.checked = days.includes(day);
    const { wholeDay, overnight } = this.desk.words;
    setText(this.#note, from === to ? wholeDay : from > to ? overnight : "");
  }

  #day(day: Day): HTMLElement {
    const field = h("input", { type: "checkbox", "aria-label": dayName(day, this.desk.language, "long") });
    field.addEventListener("change", () => this.#choose(field));
    this.#days.set(day, field);
    return h("label", {}, field, h("span", { "aria-hidden": "true" }, dayName(day, this.desk.language, "narrow")));
  }

  #choose(field: HTMLInputElement): void {
    const days = DAYS.filter((day) => this.#days.get(day)?.checked);
    if (days.length) return this.changed({ days });
    field.checked = true;
    this.desk.say(this.desk.words.noDay);
  }
}

function zoneMenu({ words, change }: Desk): HTMLSelectElement {
  const here = deviceZone();
  const others = Intl.supportedValuesOf("timeZone").filter((zone) => zone !== here && zone !== "UTC");
  const choices = [
    [here, fill(words.thisDevice, { zone: spaced(here) })] as const,
    ...["UTC", ...others].filter((zone) => zone !== here).map((zone) => [zone, spaced(zone)] as const),
  ];
  return menu(words.timeZone, choices, (time_zone) => change({ time_zone }));
}

function deviceZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function spaced(zone: string): string {
  return zone.replaceAll("_", " ");
}

function dayName(day: Day, language: string, weekday: "long" | "narrow"): string {
  const date = MONDAY + DAYS.indexOf(day) * DAY_MS;
  return new Intl.DateTimeFormat(language, { weekday, timeZone: "UTC" }).format(date);
}

/** The days of the week from the one it begins with there. */
function week(language: string): readonly Day[] {
  const locale = new Intl.Locale(language) as Intl.Locale & {
    getWeekInfo?(): { firstDay: number };
    weekInfo?: { firstDay: number };
  };
  const first = ((locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1) - 1;
  return [...DAYS.slice(first), ...DAYS.slice(0, first)];
}
