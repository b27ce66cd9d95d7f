import type { Preferences, PreferencesChange, QuietHours } from "@notifier/client";
import { make, press } from "./dom.ts";
import type { Person } from "./session.ts";

const HOUR_MS = 3_600_000;
const EVERY_DAY: QuietHours["days"] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** What a person may choose, each as one button that shows whether it is so; `on` and `off` are changes of preferences. */
interface Wish {
  label: string;
  /** What is different then. */
  note: string;
  is(preferences: Preferences): boolean;
  on(): PreferencesChange;
  off: PreferencesChange;
}

const WISHES: readonly Wish[] = [
  {
    label: "Mute for an hour",
    note: "Nothing pops up; the bell still counts.",
    is: ({ muted_until }) => Date.parse(muted_until ?? "") > Date.now(),
    on: () => ({ muted_until: new Date(Date.now() + HOUR_MS).toISOString() }),
    off: { muted_until: null },
  },
  {
    label: "Quiet hours now",
    note: "Only what is critical comes through.",
    is: ({ quiet_hours }) => quiet_hours.length > 0,
    on: () => ({ quiet_hours: [{ days: EVERY_DAY, from: "00:00", to: "00:00" }] }),
    off: { quiet_hours: [] },
  },
  {
    label: "Likes hourly",
    note: "Likes are gathered into one card at the full hour.",
    is: ({ digests }) => digests["like"] !== undefined,
    on: () => ({ digests: { like: "hourly" } }),
    off: { digests: { like: null } },
  },
];

/** The person's own choices, as other devices see them too. */
export function life({ name, notifier }: Person, openPreferences: () => void): HTMLElement {
  const note = make("p", "wish-note");
  note.setAttribute("role", "status");
  const wishes = WISHES.map((wish) => {
    const button = press(wish.label, "wish", () => {
      const isOn = button.getAttribute("aria-pressed") === "true";
      notifier.setPreferences(isOn ? wish.off : wish.on()).catch((error: Error) => (note.textContent = error.message));
    });
    return { wish, button };
  });
  notifier.subscribe(({ preferences }) => {
    if (!preferences) return;
    for (const { wish, button } of wishes) button.setAttribute("aria-pressed", String(wish.is(preferences)));
    const active = wishes.filter(({ wish }) => wish.is(preferences)).map(({ wish }) => wish.note);
    const text = active.join(" ");
    if (note.textContent !== text) note.textContent = text;
  });
  const all = press("Preferences", "wish more", openPreferences);
  return make("section", "life", make("h3", "", `${name} decides`), make("div", "wishes", ...wishes.map(({ button }) => button), all), note);
}
