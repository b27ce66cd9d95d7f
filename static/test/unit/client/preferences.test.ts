import { expect, test } from "vitest";
import { DEFAULT_PREFERENCES, type Preferences, Settings, changed } from "../../../src/client/preferences.ts";
import { settle } from "../script.ts";

/** A server's answer that comes when the test says so. */
function answer() {
  let resolve!: (preferences: Preferences) => void;
  let reject!: (error: Error) => void;
  const outcome = new Promise<Preferences>((yes, no) => ([resolve, reject] = [yes, no]));
  return { outcome, resolve, reject };
}

test("a change touches only what it names", () => {
  const before = changed(DEFAULT_PREFERENCES, { types: { like: { toast: false, push: false } }, digests: { like: "daily" } });
  const after = changed(before, { types: { like: { toast: true }, order: { bell: false } }, sound: false });
  expect(after).toEqual({
    ...DEFAULT_PREFERENCES,
    types: { like: { toast: true, push: false }, order: { bell: false } },
    digests: { like: "daily" },
    sound: false,
  });
});

test("null takes a choice back", () => {
  const chosen = changed(DEFAULT_PREFERENCES, {
    types: { like: { toast: false } },
    minimum: { toast: "high" },
    digests: { like: "daily" },
    muted_until: "2026-11-22T12:00:00.000Z",
    time_zone: "Europe/Berlin",
  });
  const back = changed(chosen, {
    types: { like: { toast: null } },
    minimum: { toast: null },
    digests: { like: null },
    muted_until: null,
    time_zone: null,
  });
  expect(back).toEqual({ ...DEFAULT_PREFERENCES, types: { like: {} } });
});

test("a list is replaced as a whole", () => {
  const night = { days: ["mon"], from: "22:00", to: "07:00" } as const;
  const once = changed(DEFAULT_PREFERENCES, { quiet_hours: [night] });
  expect(changed(once, { quiet_hours: [] }).quiet_hours).toEqual([]);
});

test("a change shows at once and becomes what the server answers", async () => {
  const settings = new Settings(() => undefined);
  const { outcome, resolve } = answer();
  const done = settings.change({ sound: false }, outcome);
  expect([settings.now.sound, settings.known]).toEqual([false, false]);
  resolve({ ...DEFAULT_PREFERENCES, sound: false, digest_at: "09:00", version: 3 });
  await done;
  expect(settings.now).toEqual({ ...DEFAULT_PREFERENCES, sound: false, digest_at: "09:00", version: 3 });
});

test("a refused change is taken back, a later one stays", async () => {
  const settings = new Settings(() => undefined);
  const [first, second] = [answer(), answer()];
  const refused = expect(settings.change({ sound: false, digest_at: "09:00" }, first.outcome)).rejects.toThrow("no");
  void settings.change({ types: { like: { toast: false } } }, second.outcome);
  first.reject(new Error("no"));
  await refused;
  expect(settings.now).toEqual({ ...DEFAULT_PREFERENCES, types: { like: { toast: false } } });
});

test("what the server tells meanwhile lies below the change", async () => {
  const settings = new Settings(() => undefined);
  void settings.change({ sound: false }, answer().outcome);
  settings.take({ ...DEFAULT_PREFERENCES, digest_at: "10:00", version: 2 });
  await settle();
  expect([settings.now.sound, settings.now.digest_at]).toEqual([false, "10:00"]);
});

test("an older word than the last says nothing", () => {
  const settings = new Settings(() => undefined);
  settings.take({ ...DEFAULT_PREFERENCES, sound: false, version: 5 });
  settings.take({ ...DEFAULT_PREFERENCES, sound: true, version: 4 });
  expect(settings.now.sound).toBe(false);
});
