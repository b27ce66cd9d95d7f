import type { Day, QuietHours } from "../client/preferences.ts";

/** As `getUTCDay` numbers them. */
const DAYS: readonly Day[] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** True while one of these windows is open on the clock of the zone. A zone that nobody knows counts as UTC. */
export function isQuiet(windows: readonly QuietHours[], zone: string, now: Date): boolean {
  if (!windows.length) return false;
  const [today, minute] = wallClock(zone, now);
  return windows.some(({ days, from, to }) => {
    const [begin, end] = [minutes(from), minutes(to)];
    const began = (day: number) => days.includes(DAYS[day]!);
    if (begin < end) return began(today) && begin <= minute && minute < end;
    return (began(today) && begin <= minute) || (began((today + 6) % 7) && minute < end);
  });
}

/** The day of the week and the minute of the day that a clock on the wall shows. */
function wallClock(zone: string, now: Date): [day: number, minute: number] {
  const parts = clockOf(zone).formatToParts(now);
  const [year, month, day, hour, minute] = (["year", "month", "day", "hour", "minute"] as const).map((type) =>
    Number(parts.find((part) => part.type === type)!.value),
  ) as [number, number, number, number, number];
  return [new Date(Date.UTC(year, month - 1, day)).getUTCDay(), hour * 60 + minute];
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const fields = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const;
  try {
    return new Intl.DateTimeFormat("en", { ...fields, hourCycle: "h23", timeZone });
  } catch {
    return new Intl.DateTimeFormat("en", { ...fields, hourCycle: "h23", timeZone: "UTC" });
  }
}

function minutes(clock: string): number {
  const [hours, rest] = clock.split(":").map(Number) as [number, number];
  return hours * 60 + rest;
}
