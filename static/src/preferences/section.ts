import type { TypeInfo } from "../client/catalogue.ts";
import type { Preferences, PreferencesChange } from "../client/preferences.ts";
import type { PreferenceMessages } from "../locales/messages.ts";
import { h } from "../elements/dom.ts";

/** What the parts of the panel need. */
export interface Desk {
  readonly words: PreferenceMessages;
  readonly language: string;
  /** As chosen so far; what the controls show may be a frame older. */
  now(): Preferences;
  change(change: PreferencesChange): void;
  /** Says a sentence at the foot of the panel. */
  say(text: string): void;
}

/** One part of the panel: keeps its controls, and with them the focus, while the preferences change. */
export interface Section {
  readonly element: HTMLElement;
  update(preferences: Preferences, types: ReadonlyMap<string, TypeInfo>): void;
}

let sections = 0;

/** A headed part of the panel. */
export function section(name: string, heading: string, hint: string, ...content: HTMLElement[]): HTMLElement {
  const id = `section-${++sections}`;
  return h(
    "section",
    { class: name, part: `section ${name}`, "aria-labelledby": id },
    h("h3", { id }, heading),
    hint ? h("p", { class: "hint" }, hint) : undefined,
    ...content,
  );
}

/** A menu of `[value, text]` pairs. */
export function menu(
  label: string,
  choices: readonly (readonly [string, string])[],
  chosen: (value: string) => void,
): HTMLSelectElement {
  const element = h("select", { "aria-label": label }, ...choices.map(([value, text]) => h("option", { value }, text)));
  element.addEventListener("change", () => chosen(element.value));
  return element;
}

/** A time of day, `HH:MM`; `chosen` hears only of whole ones. */
export function timeField(label: string, chosen: (value: string) => void): HTMLInputElement {
  const element = h("input", { type: "time", "aria-label": label, required: true });
  element.addEventListener("change", () => element.value && chosen(element.value));
  return element;
}

/** Leaves alone what says so already: a field may be half typed. */
export function setValue(field: HTMLInputElement | HTMLSelectElement, value: string): void {
  if (field.value !== value) field.value = value;
}
