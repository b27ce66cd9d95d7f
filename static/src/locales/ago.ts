const SECOND = 1_000;
/** The largest unit that fits is the one people use; from a week on, a date says more. */
const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400 * SECOND],
  ["hour", 3_600 * SECOND],
  ["minute", 60 * SECOND],
];
const WEEK = 7 * 86_400 * SECOND;
/** Below this, and for clocks that run ahead of the server's. */
const JUST_NOW = 45 * SECOND;

/** "now", "5m ago", "2d ago", then the date, as the language says it. */
export function ago(time: string, now: number, language: string): string {
  const then = Date.parse(time);
  const past = now - then;
  if (Number.isNaN(then)) return "";
  if (past >= WEEK) return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(then);
  const [unit, size] = UNITS.find(([, length]) => past >= length * 0.75) ?? ["minute" as const, 60 * SECOND];
  const format = new Intl.RelativeTimeFormat(language, { style: "narrow", numeric: "auto" });
  if (past < JUST_NOW) return format.format(0, "second");
  return format.format(-Math.max(1, Math.round(past / size)), unit);
}

/** The full time, for a tooltip. */
export function exactly(time: string, language: string): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(then);
}
