import type { TabId } from "./messages.ts";

/** Each tab holds a lock of its own while it is there: the browser tells who waits for it of its end, however sudden. */
export class Presence {
  readonly #entered: Promise<void>;
  readonly #ending = new AbortController();
  readonly #watched = new Set<TabId>();
  #leave: (() => void) | undefined;

  constructor(
    private readonly name: string,
    tab: TabId,
  ) {
    this.#entered = new Promise((entered) => {
      const stay = () => {
        entered();
        return new Promise<void>((leave) => (this.#leave = leave));
      };
      // A page without an origin may have no locks: it has no other tabs either.
      navigator.locks.request(this.#lock(tab), { signal: this.#ending.signal }, stay).catch(() => entered());
    });
  }

  /** Calls back once others can watch this tab. */
  entered(act: () => void): void {
    void this.#entered.then(() => this.#ending.signal.aborted || act());
  }

  /** Calls back when the tab is gone; for each tab once. */
  watch(tab: TabId, gone: () => void): void {
    if (this.#watched.has(tab)) return;
    this.#watched.add(tab);
    const options: LockOptions = { mode: "shared", signal: this.#ending.signal };
    navigator.locks.request(this.#lock(tab), options, gone).catch(() => undefined);
  }

  end(): void {
    this.#ending.abort();
    this.#leave?.();
  }

  #lock(tab: TabId): string {
    return `${this.name} ${tab}`;
  }
}
