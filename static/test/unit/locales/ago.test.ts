import { expect, test } from "vitest";
import { ago, exactly } from "../../../src/locales/ago.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

function after(past: number, language = "en"): string {
  return ago(new Date(NOW - past).toISOString(), NOW, language);
}

test.each([
  [0, "now"],
  [44 * SECOND, "now"],
  [50 * SECOND, "1m ago"],
  [5 * 60 * SECOND, "5m ago"],
  [50 * 60 * SECOND, "1h ago"],
  [3 * HOUR, "3h ago"],
  [24 * HOUR, "yesterday"],
  [3 * 24 * HOUR, "3d ago"],
  [8 * 24 * HOUR, "Nov 14, 2026"],
])("%d ms ago reads %j", (past, text) => expect(after(past)).toBe(text));

/** On the clock of whoever runs this. */
test.each([
  ["2026-11-22T01:00:00", "2026-11-22T22:00:00", "21h ago"],
  ["2026-11-21T23:00:00", "2026-11-22T05:00:00", "6h ago"],
  ["2026-11-21T01:00:00", "2026-11-22T22:00:00", "yesterday"],
  ["2026-11-20T23:00:00", "2026-11-22T01:00:00", "2d ago"],
])("days are those of the calendar: %s at %s reads %j", (then, now, text) => {
  expect(ago(then, Date.parse(now), "en")).toBe(text);
});

test("a time in the future is now: clocks differ", () => expect(after(-2 * HOUR)).toBe("now"));

test("another language is spoken", () => expect(after(5 * 60 * SECOND, "de")).toBe("vor 5 m"));

test("what is no time has no text", () => {
  expect([ago("soon", NOW, "en"), exactly("soon", "en")]).toEqual(["", ""]);
});
