import type { Priority } from "./protocol.ts";

/** Where a notification can appear; a dialog that is not critical counts as a toast. */
export type Channel = "bell" | "toast" | "browser" | "push";

export const CHANNELS: readonly Channel[] = ["bell", "toast", "browser", "push"];

export type Day = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** A window of the day in which only the bell changes. Over midnight it belongs to the day on which it began. */
export interface QuietHours {
  days: readonly Day[];
  /** `22:00`, on the user's clock. With `to` equal to `from` it lasts a whole day. */
  from: string;
  to: string;
}

/** What a user wants to be shown, where and when. */
export interface Preferences {
  types: Readonly<Record<string, Readonly<Partial<Record<Channel, boolean>>>>>;
  /** The lowest priority that a channel shows. */
  minimum: Readonly<Partial<Record<Channel, Priority>>>;
  /** RFC 3339; until then only the bell changes. */
  muted_until: string | null;
  quiet_hours: readonly QuietHours[];
  time_zone: string;
  digests: Readonly<Record<string, "hourly" | "daily">>;
  digest_at: string;
  sound: boolean;
  version: number;
}

/** Only what is given changes; null takes a choice back. */
export interface PreferencesChange {
  types?: Readonly<Record<string, Readonly<Partial<Record<Channel, boolean | null>>>>>;
  minimum?: Readonly<Partial<Record<Channel, Priority | null>>>;
  muted_until?: string | null;
  quiet_hours?: readonly QuietHours[];
  time_zone?: string | null;
  digests?: Readonly<Record<string, "hourly" | "daily" | null>>;
  digest_at?: string;
  sound?: boolean;
}

/** Of somebody who has chosen nothing. */
export const DEFAULT_PREFERENCES: Preferences = {
  types: {},
  minimum: {},
  muted_until: null,
  quiet_hours: [],
  time_zone: "UTC",
  digests: {},
  digest_at: "08:00",
  sound: true,
  version: 0,
};

/** The preferences after a change, as the server will have them. */
export function changed(preferences: Preferences, change: PreferencesChange): Preferences {
  return { ...(merge(preferences, change) as Preferences), time_zone: zoneAfter(preferences, change) };
}

function zoneAfter({ time_zone }: Preferences, change: PreferencesChange): string {
  return change.time_zone === null ? DEFAULT_PREFERENCES.time_zone : (change.time_zone ?? time_zone);
}

type Branch = Readonly<Record<string, unknown>>;

/** Objects are merged, everything else is replaced; what is null inside of one goes away. */
function merge(old: object, change: object): object {
  const result: Record<string, unknown> = { ...old };
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) continue;
    if (value === null && name !== "muted_until") delete result[name];
    else result[name] = isBranch(value) ? merge((result[name] as Branch) ?? {}, value) : value;
  }
  return result;
}

function isBranch(value: unknown): value is Branch {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The preferences as the server has them, with the changes that it has not answered yet. */
export class Settings {
  #known: Preferences | undefined;
  #pending: readonly PreferencesChange[] = [];
  #now = DEFAULT_PREFERENCES;

  /** Calls back after every change. */
  constructor(private readonly changed: () => void) {}

  /** False until the server has told them. */
  get known(): boolean {
    return this.#known !== undefined;
  }

  /** As they are now, or will be if the server agrees. */
  get now(): Preferences {
    return this.#now;
  }

  /** The server's word; an older one than the last says nothing. */
  take(preferences: Preferences): void {
    if (this.#known && preferences.version < this.#known.version) return;
    this.#known = { ...DEFAULT_PREFERENCES, ...preferences };
    this.#update();
  }

  /** Shows a change at once; takes it back and rejects if the outcome does. */
  async change(change: PreferencesChange, outcome: Promise<Preferences>): Promise<void> {
    this.#pending = [...this.#pending, change];
    this.#update();
    try {
      const preferences = await outcome;
      this.#settle(change);
      this.take(preferences);
    } finally {
      this.#settle(change);
      this.#update();
    }
  }

  #settle(change: PreferencesChange): void {
    this.#pending = this.#pending.filter((other) => other !== change);
  }

  #update(): void {
    this.#now = this.#pending.reduce(changed, this.#known ?? DEFAULT_PREFERENCES);
    this.changed();
  }
}
