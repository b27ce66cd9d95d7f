import type { Item } from "../inbox/inbox.ts";

/** The longest time a browser's timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A broadcast expires for everyone at once; the requests that follow are spread over this time. */
const SPREAD_MS = 5_000;

export interface ExpiryListener {
  expired(ids: readonly string[]): void;
  /** Some time after something expired: exact counts may be asked for. */
  settled(): void;
}

/** Says when items, and what is counted but not loaded, reach their end. One timer, set for the next of them. */
export class Expiry {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #items: readonly Item[] = [];
  /** When each of them ends, by our clock. */
  #ends: ReadonlyMap<string, number> = new Map();
  #until: string | null = null;
  /** Ids and times for which the counts were asked already: where our clock is ahead, the server still has them. */
  readonly #settled = new Set<string>();

  constructor(private readonly listener: ExpiryListener) {}

  /** `until`: when the first of all that is counted expires. */
  watch(items: readonly Item[], until: string | null): void {
    if (items === this.#items && until === this.#until) return;
    this.#items = items;
    const ends = this.#ends;
    this.#ends = new Map(items.map((item) => [item.id, ends.get(item.id) ?? endOf(item, this.#settled.has(item.id))]));
    this.#until = until;
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#settleTimer);
    this.#items = [];
    this.#ends = new Map();
    this.#until = null;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = Math.min(this.#untilTime(), ...this.#ends.values());
    if (next === Infinity) return;
    const wait = Math.min(LONGEST_TIMER_MS, Math.max(0, next - Date.now()));
    this.#timer = setTimeout(() => this.#check(), wait);
  }

  #untilTime(): number {
    return this.#until && !this.#settled.has(this.#until) ? time(this.#until) : Infinity;
  }

  #check(): void {
    const now = Date.now();
    const gone = [...this.#ends].flatMap(([id, end]) => (end <= now ? [id] : []));
    const over = this.#untilTime() <= now ? [...gone, this.#until!] : gone;
    if (over.some((name) => !this.#settled.has(name))) this.#settle();
    for (const name of over) this.#settled.add(name);
    // Whoever hears it hands back what is left.
    if (gone.length) this.listener.expired(gone);
    else this.#arm();
  }

  #settle(): void {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.listener.settled(), Math.random() * SPREAD_MS);
  }
}

/** The server tells nothing that has expired: what seems so lives its time from now on, as our clock runs ahead. */
function endOf({ created_at, expires_at }: Item, hasEnded: boolean): number {
  if (hasEnded) return 0;
  const [now, end] = [Date.now(), time(expires_at)];
  return end > now ? end : now + Math.max(0, end - time(created_at));
}

/** A time that cannot be read never comes. */
function time(text: string): number {
  return Date.parse(text) || Infinity;
}
