import { NotifierError, asProblem } from "../client/errors.ts";
import type { RequestName, Requests } from "../client/protocol.ts";
import type { Ask, Carrier, Link, LinkFactory, LinkListener } from "./link.ts";
import { Rest } from "./rest.ts";

/** One opening of a link over HTTP. */
export interface Opening {
  readonly rest: Rest;
  readonly since: string | undefined;
  /** Fires when the link is closed. */
  readonly signal: AbortSignal;
  /** To be called when the server accepted the reader. */
  opened(): void;
  event: LinkListener["event"];
}

/** Reads what the server has to tell, for as long as it goes. */
export type Reading = (opening: Opening) => Promise<void>;

/** A link that reads over HTTP and asks over REST. */
export function httpLink(carrier: Carrier, read: Reading): LinkFactory {
  return (url, credentials, listener) => new HttpLink(carrier, read, url, credentials, listener);
}

class HttpLink implements Link {
  #closing: AbortController | undefined;
  /** Set while the link is open. */
  #rest: Rest | undefined;

  constructor(
    private readonly carrier: Carrier,
    private readonly read: Reading,
    private readonly url: string,
    private readonly credentials: Ask,
    private readonly listener: LinkListener,
  ) {}

  open(): void {
    this.close();
    const closing = new AbortController();
    this.#closing = closing;
    const ended = (error: NotifierError) => {
      if (!closing.signal.aborted) this.#ended(error);
    };
    this.#read(closing.signal).then(
      () => ended(new NotifierError("offline", "The server ended the connection.")),
      (error: unknown) => ended(asProblem(error)),
    );
  }

  close(): void {
    this.#closing?.abort();
    this.#rest = undefined;
  }

  async request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    if (!this.#rest) throw new NotifierError("offline", "There is no connection.");
    return this.#rest.request(name, args);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { token, since } = await this.credentials();
    const rest = new Rest(this.url, token, async (stale) => (await this.credentials(stale)).token);
    // What was on its way when the link was closed is told nobody.
    const wanted = (tell: () => void) => void (signal.aborted || tell());
    await this.read({
      rest,
      since,
      signal,
      opened: () =>
        wanted(() => {
          this.#rest = rest;
          this.listener.opened(this.carrier);
        }),
      event: (name, payload) => wanted(() => this.listener.event(name, payload)),
    });
  }

  #ended(error: NotifierError): void {
    const wasOpen = this.#rest !== undefined;
    this.close();
    if (!wasOpen) return this.listener.refused(error);
    if (error.code !== "offline") this.#goodbye(error);
    this.listener.closed(error.message);
  }

  /** The server refuses to go on, which a socket hears as an event. */
  #goodbye({ code, retryAfter }: NotifierError): void {
    const pause = retryAfter === undefined ? {} : { reconnect_after: retryAfter };
    this.listener.event("goodbye", { reason: code, ...pause });
  }
}
