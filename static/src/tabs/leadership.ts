export interface LeadershipListener {
  /** This tab leads now. */
  won(): void;
  /** Another tab took over. */
  lost(): void;
}

/** Who leads is who holds the lock of this name: the browser passes it on the moment its tab is gone. */
export class Leadership {
  leads = false;
  #turn = new AbortController();
  #release: (() => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly listener: LeadershipListener,
  ) {
    this.#wait({ signal: this.#turn.signal });
  }

  /** Takes over at once, from a tab that does not answer or asks for it. */
  seize(): void {
    this.#leave();
    this.#wait({ steal: true });
  }

  end(): void {
    this.#leave();
  }

  #leave(): void {
    this.#turn.abort();
    this.#turn = new AbortController();
    this.#release?.();
    this.#release = undefined;
    this.leads = false;
  }

  #lead(): void {
    this.leads = true;
    this.listener.won();
  }

  #wait(options: LockOptions): void {
    const turn = this.#turn;
    const isOver = () => turn !== this.#turn;
    const lead = () => {
      if (isOver()) return undefined;
      this.#lead();
      return new Promise<void>((resolve) => (this.#release = resolve));
    };
    navigator.locks.request(this.name, options, lead).catch(() => {
      if (isOver()) return;
      // A page without an origin may have no locks: it has no other tabs either.
      if (!this.leads) return this.#lead();
      // Another tab has seized the lock.
      this.#leave();
      this.#wait({ signal: this.#turn.signal });
      this.listener.lost();
    });
  }
}
