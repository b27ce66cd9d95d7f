import type { TypeInfo } from "../client/catalogue.ts";
import type { Entry } from "../client/protocol.ts";
import { placesOf } from "../display/display.ts";

/** Two short lines are read in four seconds; the usual toast adds a little. */
const LOW_MS = 4_000;
const NORMAL_MS = 6_000;

/** How an arriving notification shows itself. `stays` is in milliseconds; undefined: until it is dealt with. */
export type Presentation = { as: "toast"; stays: number | undefined } | { as: "modal" };

/** The look of what may be shown as a toast. */
export function present(entry: Entry, info: TypeInfo): Presentation {
  if (placesOf(entry, info).includes("modal")) return { as: "modal" };
  // Nobody should have to race a timer to reach a button.
  if (isUrgent(entry) || entry.actions?.length) return { as: "toast", stays: undefined };
  return { as: "toast", stays: entry.priority === "low" ? LOW_MS : NORMAL_MS };
}

export function isUrgent(entry: Entry): boolean {
  return entry.priority === "high" || entry.priority === "critical";
}
