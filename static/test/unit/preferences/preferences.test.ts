import { afterEach, expect, test } from "vitest";
import { DEFAULT_PREFERENCES, type QuietHours } from "../../../src/client/preferences.ts";
import "../../../src/preferences/index.ts";
import { type Stage, leave, stage } from "../elements/page.ts";
import { settle } from "../script.ts";

let now: Stage;

afterEach(() => leave(now));

/** The controls of the panel by their labels; the user has these quiet hours. */
async function panel(quiet_hours: readonly QuietHours[]): Promise<(label: string) => HTMLInputElement> {
  now = await stage();
  const element = document.createElement("notifier-preferences");
  element.notifier = now.notifier;
  document.body.append(element);
  now.script.send("preferences", { ...DEFAULT_PREFERENCES, quiet_hours, time_zone: "Europe/Berlin", version: 1 });
  await settle();
  return (label) => element.shadowRoot!.querySelector(`[aria-label="${label}"]`)!;
}

function choose(field: HTMLInputElement, change: Partial<HTMLInputElement>): void {
  Object.assign(field, change);
  field.dispatchEvent(new Event("change"));
}

test("what is chosen before the next frame takes nothing back", async () => {
  const field = await panel([{ days: ["fri", "sat"], from: "22:00", to: "07:00" }]);
  choose(field("From"), { value: "13:00" });
  choose(field("To"), { value: "14:30" });
  choose(field("Saturday"), { checked: false });
  const wanted = { days: ["fri"], from: "13:00", to: "14:30" };
  expect(now.notifier.snapshot.preferences.quiet_hours).toEqual([wanted]);
  await settle();
  expect([field("From").value, field("To").value, field("Saturday").checked]).toEqual(["13:00", "14:30", false]);
});
