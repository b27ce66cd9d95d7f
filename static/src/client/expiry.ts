import type { Item } from "../inbox/inbox.ts";

/** The longest time a browser's timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A broadcast expires for everyone at once; the requests that follow are spread over this time. */
const SPREAD_MS = 5_000;

export interface ExpiryListener {
  expired(ids: readonly string[]): void;
  /** Some time after items expired: exact counts may be asked for. */
  settled(): void;
}

/** Says when items reach their `expires_at`. One timer, set for the next of them. */
export class Expiry {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #items: readonly Item[] = [];

  constructor(private readonly listener: ExpiryListener) {}

  watch(items: readonly Item[]): void {
    if (items === this.#items) return;
    this.#items = items;
    clearTimeout(this.#timer);
    if (items.length === 0) return;
    const next = Math.min(...items.map(expiresAt));
    const wait = Math.min(LONGEST_TIMER_MS, Math.max(0, next - Date.now()));
    this.#timer = setTimeout(() => this.#check(), wait);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#settleTimer);
    this.#items = [];
  }

  #check(): void {
    const items = this.#items;
    const now = Date.now();
    const gone = items.filter((item) => expiresAt(item) <= now);
    this.#items = [];
    if (gone.length === 0) return this.watch(items);
    this.listener.expired(gone.map((item) => item.id));
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.listener.settled(), Math.random() * SPREAD_MS);
  }
}

/** A time that cannot be read never comes. */
function expiresAt(item: Item): number {
  return Date.parse(item.expires_at) || Infinity;
}
