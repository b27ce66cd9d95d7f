import type { TypeInfo } from "../client/catalogue.ts";
import type { Channel, Preferences } from "../client/preferences.ts";
import type { Entry, Priority } from "../client/protocol.ts";
import { isQuiet } from "./quiet.ts";

/** Where a notification appears when its type does not say. */
const DEFAULT_DISPLAY: Readonly<Record<Priority, readonly string[]>> = {
  low: ["bell"],
  normal: ["bell", "toast", "push"],
  high: ["bell", "toast", "browser", "push"],
  critical: ["bell", "modal", "browser", "push"],
};

/** The lowest first. */
const PRIORITIES = Object.keys(DEFAULT_DISPLAY) as Priority[];

/** The rule that decided. */
export type Rule =
  | "display"
  | "critical"
  | "mandatory"
  | "silent"
  | "switched_off"
  | "minimum"
  | "muted"
  | "quiet_hours"
  | "digest"
  | "allowed";

export interface Decision {
  allowed: boolean;
  rule: Rule;
}

/** Where an entry of this type may appear, as far as type and priority go: `bell`, `toast`, `modal`... */
export function placesOf({ priority }: Entry, info: TypeInfo): readonly string[] {
  // What is critical has to be acknowledged, whatever its type; a type's display is not meant for what is more urgent.
  const isUsual = priority !== "critical" && rank(priority) <= rank(info.priority);
  return (isUsual && info.display) || DEFAULT_DISPLAY[priority];
}

/** Whether a channel shows an entry now, and why (not). The first rule that has something to say decides. */
export function decide(channel: Channel, entry: Entry, info: TypeInfo, wishes: Preferences, now: Date): Decision {
  const places = placesOf(entry, info);
  const no = (rule: Rule): Decision => ({ allowed: false, rule });
  const yes = (rule: Rule): Decision => ({ allowed: true, rule });
  if (!places.includes(channel) && !(channel === "toast" && places.includes("modal"))) return no("display");
  if (entry.priority === "critical") return yes("critical");
  if (!info.mutable) return yes("mandatory");
  const isBell = channel === "bell";
  if (entry.silent && !isBell) return no("silent");
  if (isOff(entry, channel, wishes)) return no("switched_off");
  if (isBelow(entry, channel, wishes)) return no("minimum");
  if (!isBell && Date.parse(wishes.muted_until ?? "") > now.getTime()) return no("muted");
  if (!isBell && isQuiet(wishes.quiet_hours, wishes.time_zone, now)) return no("quiet_hours");
  if (!entry.digest && wishes.digests[entry.type]) return no("digest");
  return yes("allowed");
}

/** What the bell does not have is nowhere. */
function isOff({ type }: Entry, channel: Channel, { types }: Preferences): boolean {
  return types[type]?.bell === false || types[type]?.[channel] === false;
}

function isBelow({ priority }: Entry, channel: Channel, { minimum }: Preferences): boolean {
  const lowest = Math.max(rank(minimum.bell), rank(minimum[channel]));
  return rank(priority) < lowest;
}

function rank(priority: Priority | undefined): number {
  return priority ? PRIORITIES.indexOf(priority) : 0;
}
