/** First wait at most a second; ten failures in a row and more, at most half a minute. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/**
 * How long to wait before the next attempt, in milliseconds. Random over the whole range ("full jitter"):
 * thousands of clients that lost one server must not come back in one moment.
 */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly random: () => number = Math.random,
    private readonly first = FIRST_MS,
    private readonly longest = LONGEST_MS,
  ) {}

  next(): number {
    const longest = Math.min(this.longest, this.first * 2 ** this.#failures++);
    return longest * (0.1 + 0.9 * this.random());
  }

  /** The server named a time, in seconds; up to half as much is added to spread the returns. */
  after(seconds: number): number {
    return seconds * 1_000 * (1 + this.random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
