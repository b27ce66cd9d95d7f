import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import { Countdown } from "./countdown.ts";
import { isUrgent } from "./presentation.ts";

const VISIBLE = 3;
/** More than this many within that time are one summary: nobody reads eleven toasts. */
const BURST = 10;
const BURST_MS = 5_000;

/** One toast: a single notification, a group of one type, or the summary of a burst. */
export interface Toast {
  /** Stays the same while the toast grows. */
  readonly key: string;
  readonly kind: "single" | "group" | "summary";
  /** Oldest first. */
  readonly items: readonly Item[];
  readonly urgent: boolean;
  readonly placement: "top" | "bottom";
}

interface Entry {
  toast: Toast;
  /** Absent: stays until it is dealt with. */
  countdown: Countdown | undefined;
}

/** Which toasts are on the screen and for how long. Knows no DOM. */
export class ToastQueue {
  #line: Entry[] = [];
  #arrivals: number[] = [];
  readonly #pauses = new Set<string>();

  /** `closed` hears of toasts that were closed, or whose time was over. */
  constructor(
    private readonly changed: () => void,
    private readonly closed: (items: readonly Item[]) => void = () => undefined,
  ) {}

  get visible(): readonly Toast[] {
    return this.#line.slice(0, VISIBLE).map(({ toast }) => toast);
  }

  get waiting(): number {
    return Math.max(0, this.#line.length - VISIBLE);
  }

  /** A notification arrived; `stays` in milliseconds, undefined: until it is dealt with. */
  push(item: Item, info: TypeInfo, stays: number | undefined): void {
    const single: Entry = {
      toast: { key: item.notification_id, kind: "single", items: [item], urgent: isUrgent(item), placement: info.placement },
      countdown: this.#countdown(item.notification_id, stays),
    };
    if (this.#isBurst()) this.#summarise(single);
    else this.#join(single) || this.#insert(single);
    this.#settle();
  }

  close(key: string): void {
    const items = this.#line.find(({ toast }) => toast.key === key)?.toast.items;
    this.#drop(({ toast }) => toast.key === key);
    if (items) this.closed(items);
  }

  /** Takes these notifications away. */
  drop(ids: readonly string[]): void {
    this.#keep(() => (item) => !ids.includes(item.notification_id));
  }

  /** Keeps up with the inbox: what was dealt with there needs no toast. `find` gives the item as it is now. */
  reconcile(find: (item: Item) => Item | undefined): void {
    this.#keep((entry) => (item) => {
      const now = find(item);
      return now !== undefined && !now.read && (entry.countdown === undefined || !now.seen);
    });
  }

  #keep(isOpen: (entry: Entry) => (item: Item) => boolean): void {
    const before = this.#line;
    this.#line = before
      .map((entry) => withItems(entry, entry.toast.items.filter(isOpen(entry))))
      .filter((entry) => entry.toast.items.length > 0);
    const gone = before.filter((entry) => !this.#line.some(({ toast }) => toast.key === entry.toast.key));
    for (const { countdown } of gone) countdown?.pause();
    if (this.#line.some((entry, index) => entry !== before[index]) || gone.length) this.#settle();
  }

  /** Stops all countdowns for a reason (`hover`, `hidden`...) until it is gone. */
  pause(reason: string): void {
    this.#pauses.add(reason);
    this.#tick();
  }

  resume(reason: string): void {
    this.#pauses.delete(reason);
    this.#tick();
  }

  clear(): void {
    this.#drop(() => true);
  }

  #countdown(key: string, stays: number | undefined): Countdown | undefined {
    return stays === undefined ? undefined : new Countdown(stays, () => this.close(key));
  }

  #isBurst(): boolean {
    const now = performance.now();
    this.#arrivals = [...this.#arrivals.filter((at) => now - at < BURST_MS), now];
    return this.#arrivals.length > BURST;
  }

  /** Everything in the line becomes one toast. It stays if one of its parts would have. */
  #summarise(single: Entry): void {
    const parts = [...this.#line, single];
    for (const { countdown } of parts) countdown?.pause();
    const urgent = parts.some(({ toast }) => toast.urgent);
    const lasting = parts.some(({ countdown }) => countdown === undefined);
    const items = parts.flatMap(({ toast }) => toast.items);
    this.#line = [
      {
        toast: { key: "summary", kind: "summary", items, urgent, placement: "top" },
        countdown: this.#countdown("summary", lasting ? undefined : BURST_MS * 2),
      },
    ];
  }

  /** Joins the toast of the same group that is there already; what stays keeps a toast of its own. */
  #join(single: Entry): boolean {
    const [item] = single.toast.items;
    const group = groupOf(item);
    const host = this.#line.find(({ toast, countdown }) => countdown && groupOf(toast.items[0]) === group);
    if (!single.countdown || !item || !host || host.toast.kind === "summary") return false;
    host.toast = { ...host.toast, kind: "group", items: [...host.toast.items, item] };
    host.countdown?.rewind();
    return true;
  }

  /** The urgent go before the others, behind the urgent that came earlier. */
  #insert(single: Entry): void {
    const place = single.toast.urgent ? this.#line.findIndex(({ toast }) => !toast.urgent) : -1;
    this.#line.splice(place < 0 ? this.#line.length : place, 0, single);
  }

  #drop(test: (entry: Entry) => boolean): void {
    const gone = this.#line.filter(test);
    if (gone.length === 0) return;
    for (const { countdown } of gone) countdown?.pause();
    this.#line = this.#line.filter((entry) => !gone.includes(entry));
    this.#settle();
  }

  #settle(): void {
    this.#tick();
    this.changed();
  }

  /** Only what can be seen counts down, and only while nothing holds it. */
  #tick(): void {
    this.#line.forEach(({ countdown }, index) => {
      if (this.#pauses.size === 0 && index < VISIBLE) countdown?.run();
      else countdown?.pause();
    });
  }
}

/** What belongs together, as its publisher says, or what is of one type. */
function groupOf(item: Item | undefined): string {
  return `${item?.type} ${item?.collapse_key ?? ""}`;
}

function withItems(entry: Entry, items: readonly Item[]): Entry {
  if (items.length === entry.toast.items.length) return entry;
  const kind = entry.toast.kind === "group" && items.length === 1 ? "single" : entry.toast.kind;
  return { ...entry, toast: { ...entry.toast, items, kind } };
}
