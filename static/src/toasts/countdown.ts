/** Runs out after so many milliseconds of running time; pauses do not count. */
export class Countdown {
  #left: number;
  #startedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly milliseconds: number,
    private readonly done: () => void,
  ) {
    this.#left = milliseconds;
  }

  run(): void {
    if (this.#startedAt !== undefined) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(this.done, this.#left);
  }

  pause(): void {
    if (this.#startedAt === undefined) return;
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#startedAt;
    this.#startedAt = undefined;
  }

  /** Begins again from the full time, paused. */
  rewind(): void {
    this.pause();
    this.#left = this.milliseconds;
  }
}
