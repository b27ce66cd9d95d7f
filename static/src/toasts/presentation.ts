import type { TypeInfo } from "../client/catalogue.ts";
import type { Entry, Priority } from "../client/protocol.ts";

/** Two short lines are read in four seconds; the usual toast adds a little. */
const LOW_MS = 4_000;
const NORMAL_MS = 6_000;

/** How an arriving notification shows itself. `stays` is in milliseconds; undefined: until it is dealt with. */
export type Presentation =
  | { as: "bell" }
  | { as: "toast"; stays: number | undefined }
  | { as: "modal" };

/** Where a notification appears when its type says nothing about its priority. */
const DEFAULT_DISPLAY: Readonly<Record<Priority, readonly string[]>> = {
  low: ["bell"],
  normal: ["bell", "toast"],
  high: ["bell", "toast"],
  critical: ["bell", "modal", "browser"],
};

export function present(entry: Entry, info: TypeInfo): Presentation {
  const display = displayOf(entry, info);
  if (display.includes("modal")) return { as: "modal" };
  if (!display.includes("toast")) return { as: "bell" };
  // Nobody should have to race a timer to reach a button.
  if (isUrgent(entry) || entry.actions?.length) return { as: "toast", stays: undefined };
  return { as: "toast", stays: entry.priority === "low" ? LOW_MS : NORMAL_MS };
}

/** True when it should also be seen outside a page that is in the background. */
export function alertsOutside(entry: Entry, info: TypeInfo): boolean {
  return displayOf(entry, info).includes("browser");
}

/** A type's display is meant for its own priority. What is critical has to be acknowledged, whatever its type. */
function displayOf(entry: Entry, info: TypeInfo): readonly string[] {
  const usual = entry.priority !== "critical" && entry.priority === info.priority;
  return usual ? info.display : DEFAULT_DISPLAY[entry.priority];
}

export function isUrgent(entry: Entry): boolean {
  return entry.priority === "high" || entry.priority === "critical";
}
