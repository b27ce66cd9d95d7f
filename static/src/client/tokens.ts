/** The user's token: a fixed one, or a function that fetches one when it is needed. */
export type TokenSource = string | (() => string | Promise<string>);

/** Remembers the token until the server calls it expired, so that a reconnect costs the application nothing. */
export class Tokens {
  #token: Promise<string> | undefined;

  constructor(private readonly source: TokenSource) {}

  get renewable(): boolean {
    return typeof this.source === "function";
  }

  current(): Promise<string> {
    this.#token ??= this.#fetch();
    return this.#token;
  }

  /** The next `current` fetches a new one. */
  forget(): void {
    this.#token = undefined;
  }

  /** Another token than this one, where there may be another. */
  async insteadOf(stale: string): Promise<string> {
    if (this.renewable && (await this.current()) === stale) this.forget();
    return this.current();
  }

  #fetch(): Promise<string> {
    const fetched = (async () => (typeof this.source === "function" ? this.source() : this.source))();
    // A failure is not remembered: the next attempt asks again.
    fetched.catch(() => this.#token === fetched && this.forget());
    return fetched;
  }
}
