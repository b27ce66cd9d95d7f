import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NEUTRAL, type TypeInfo } from "../../../src/client/catalogue.ts";
import { CHANNELS, type Channel, DEFAULT_PREFERENCES, type Preferences } from "../../../src/client/preferences.ts";
import type { Entry } from "../../../src/client/protocol.ts";
import { decide } from "../../../src/display/display.ts";
import { entry } from "../builders.ts";

interface Case {
  name: string;
  now: string;
  entry: Partial<Entry>;
  type: Partial<TypeInfo>;
  preferences: Partial<Preferences>;
  channels: Record<Channel, [allowed: boolean, rule: string]>;
}

/** The server is held to the same table. */
const table = join(import.meta.dirname, "../../../../tests/core/display_cases.json");
const { cases } = JSON.parse(readFileSync(table, "utf8")) as { cases: Case[] };

test.each(cases)("$name", ({ now, entry: fields, type, preferences, channels }) => {
  const like = entry("1@user:42", { type: "like", ...fields });
  const info = { ...NEUTRAL, ...type };
  const wishes = { ...DEFAULT_PREFERENCES, ...preferences };
  const decided = CHANNELS.map((channel) => {
    const { allowed, rule } = decide(channel, like, info, wishes, new Date(now));
    return [channel, [allowed, rule]];
  });
  expect(Object.fromEntries(decided)).toEqual(channels);
});

test("a zone that this browser does not know counts as UTC", () => {
  const wishes: Preferences = {
    ...DEFAULT_PREFERENCES,
    time_zone: "Moon/Tranquility",
    quiet_hours: [{ days: ["mon"], from: "09:00", to: "17:00" }],
  };
  const noon = new Date("2026-06-15T12:00:00Z");
  expect(decide("toast", entry("1@user:42"), NEUTRAL, wishes, noon).rule).toBe("quiet_hours");
});
