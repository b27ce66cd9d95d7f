const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The largest unit that fits is the one people use; from a week on, a date says more. */
const WEEK = 7 * DAY;
/** Below this, and for clocks that run ahead of the server's. */
const JUST_NOW = 45 * SECOND;

/** "now", "5m ago", "2d ago", then the date, as the language says it. */
export function ago(time: string, now: number, language: string): string {
  const then = Date.parse(time);
  const past = now - then;
  if (Number.isNaN(then)) return "";
  if (past >= WEEK) return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(then);
  const format = new Intl.RelativeTimeFormat(language, { style: "narrow", numeric: "auto" });
  if (past < JUST_NOW) return format.format(0, "second");
  if (past < 0.75 * HOUR) return format.format(-Math.max(1, Math.round(past / MINUTE)), "minute");
  const days = daysBetween(then, now);
  if (past < 0.75 * DAY || days === 0) return format.format(-Math.max(1, Math.round(past / HOUR)), "hour");
  return format.format(-days, "day");
}

/** How often the calendar has turned its page: "yesterday" is a day, not so many hours. */
function daysBetween(then: number, now: number): number {
  const [first, last] = [then, now].map((time) => new Date(time).setHours(0, 0, 0, 0)) as [number, number];
  // A day on which clocks are changed has an hour more or less.
  return Math.round((last - first) / DAY);
}

/** The full time, for a tooltip. */
export function exactly(time: string, language: string): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(then);
}
