import { button, h, setText } from "../elements/dom.ts";
import { icon } from "../elements/icons.ts";
import { fill } from "../locales/messages.ts";
import { type Desk, type Section, section } from "./section.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** When "tomorrow" begins for somebody who was asleep. */
const MORNING = 8;

/** Everything muted for a while. */
export function pause(desk: Desk): Section {
  const { words } = desk;
  const until = (time: () => number) => () => desk.change({ muted_until: new Date(time()).toISOString() });
  const choices = h(
    "div",
    { class: "row", role: "group", "aria-label": words.pause },
    button({ class: "plain" }, until(() => Date.now() + HOUR_MS), words.pauses.hour),
    button({ class: "plain" }, until(tomorrow), words.pauses.morning),
    button({ class: "plain" }, until(() => Date.now() + 7 * DAY_MS), words.pauses.week),
  );
  const text = h("span");
  const resume = button({ class: "plain" }, () => desk.change({ muted_until: null }), words.resume);
  const paused = h("div", { class: "paused" }, icon("pause"), text, resume);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (muted: string | null) => {
    const end = Date.parse(muted ?? "");
    const active = end > Date.now();
    const hadFocus = [choices, paused].some((part) => part.matches(":focus-within"));
    choices.hidden = active;
    paused.hidden = !active;
    clearTimeout(timer);
    if (active) {
      setText(text, fill(words.pausedUntil, { time: moment(end, desk.language) }));
      timer = setTimeout(() => show(muted), Math.min(end - Date.now() + 500, DAY_MS));
    }
    if (hadFocus) (active ? resume : choices.querySelector("button"))?.focus();
  };
  return {
    element: section("pause", words.pause, "", choices, paused),
    update: ({ muted_until }) => show(muted_until),
  };
}

function tomorrow(): number {
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  return morning.setHours(MORNING, 0, 0, 0);
}

/** The time of day, and which day unless it is today. */
function moment(time: number, language: string): string {
  const today = new Date(time).toDateString() === new Date().toDateString();
  const day = today ? {} : ({ weekday: "long", day: "numeric", month: "long" } as const);
  return new Intl.DateTimeFormat(language, { ...day, hour: "numeric", minute: "2-digit" }).format(time);
}
