/** A signal for what must not take longer than its time, or longer than somebody wants it. */
export class Deadline {
  /** True when it was the time that ended it. */
  passed = false;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly milliseconds: number,
    private readonly wanted?: AbortSignal,
  ) {
    wanted?.addEventListener("abort", this.end);
    if (wanted?.aborted) this.end();
    else this.renew();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The time begins again. */
  renew(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.end();
    }, this.milliseconds);
  }

  /** Ends whatever is still under way; to be called in any case. */
  readonly end = (): void => {
    clearTimeout(this.#timer);
    this.wanted?.removeEventListener("abort", this.end);
    this.#controller.abort();
  };
}
