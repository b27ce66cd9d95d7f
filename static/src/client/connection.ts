import type { Carrier, Credentials, Link, LinkFactory, Transport } from "../links/link.ts";
import { Backoff } from "./backoff.ts";
import { NotifierError } from "./errors.ts";
import type { EventName, RequestName, Requests, ServerEvents } from "./protocol.ts";
import type { Tokens } from "./tokens.ts";

/**
 * `connecting`: no answer yet; `online`: caught up and live; `offline`: another attempt follows by itself,
 * unless the application disconnected; `unauthenticated`: refused, only a new `connect()` tries again.
 */
export type ConnectionState = "connecting" | "online" | "offline" | "unauthenticated";

export interface ConnectionListener {
  changed(state: ConnectionState): void;
  /** A replay follows, until `synced`. Also when another link takes over while online. */
  opened(carrier: Carrier): void;
  event<N extends EventName>(name: N, payload: ServerEvents[N]): void;
  closed(): void;
}

const REFUSED_FOR_GOOD = new Set(["unauthenticated", "expired", "forbidden"]);

/** Reasons for a goodbye after which only another token is good. */
const OLD_TOKEN = new Set(["expired", "revoked"]);

/** Keeps a link open: when to try, when to wait and how long, when to give up. */
export class Connection {
  #state: ConnectionState = "offline";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Seconds, from a goodbye. */
  #returnAfter: number | undefined;
  #renewedToken = false;
  #wanted = false;
  #transport: Transport | undefined;
  #link: Link;
  readonly #backoff = new Backoff();

  constructor(
    private readonly url: string,
    open: LinkFactory,
    private readonly tokens: Tokens,
    private readonly since: () => string | undefined,
    private readonly listener: ConnectionListener,
  ) {
    this.#link = this.#join(open);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What carries the connection; undefined while it is not online. */
  get transport(): Transport | undefined {
    return this.#state === "online" ? this.#transport : undefined;
  }

  connect(): void {
    if (this.#wanted && this.#state !== "unauthenticated") return;
    this.#wanted = true;
    this.#renewedToken = false;
    globalThis.addEventListener?.("online", this.#wake);
    this.#attempt();
  }

  disconnect(): void {
    this.#wanted = false;
    globalThis.removeEventListener?.("online", this.#wake);
    clearTimeout(this.#timer);
    this.#link.close();
    this.#lost();
  }

  /** Ends this connection and begins another: what the server has for us comes as a replay. */
  restart(): void {
    this.#link.close();
    this.#closed();
  }

  /** Goes on over other links, from the same cursor. */
  use(open: LinkFactory): void {
    this.#link.close();
    this.#link = this.#join(open);
    if (!this.#wanted) return;
    this.#lost();
    this.#attempt();
  }

  request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    return this.#link.request(name, args);
  }

  readonly #wake = (): void => {
    if (this.#state !== "offline") return;
    this.#backoff.reset();
    this.#attempt();
  };

  #join(open: LinkFactory): Link {
    return open(this.url, (stale) => this.#credentials(stale), {
      opened: (carrier) => {
        this.#transport = carrier.transport;
        this.listener.opened(carrier);
      },
      event: (name, payload) => this.#event(name, payload),
      refused: (error) => this.#refused(error),
      closed: () => this.#closed(),
    });
  }

  async #credentials(stale: string | undefined): Promise<Credentials> {
    const wanted = stale === undefined ? this.tokens.current() : this.tokens.insteadOf(stale);
    const token = await wanted.catch(({ message }: Error) => {
      throw new NotifierError("no_token", message);
    });
    const since = this.since();
    return since === undefined ? { token } : { token, since };
  }

  #attempt(): void {
    clearTimeout(this.#timer);
    this.#change("connecting");
    this.#link.open();
  }

  #event<N extends EventName>(name: N, payload: ServerEvents[N]): void {
    this.listener.event(name, payload);
    if (name === "synced") this.#caughtUp();
    if (name === "auth_expiring") void this.#renewToken();
    if (name === "goodbye") this.#goodbye(payload as ServerEvents["goodbye"]);
  }

  #caughtUp(): void {
    clearTimeout(this.#timer);
    this.#backoff.reset();
    this.#renewedToken = false;
    this.#change("online");
  }

  #goodbye({ reason, reconnect_after }: ServerEvents["goodbye"]): void {
    this.#returnAfter = reconnect_after;
    if (OLD_TOKEN.has(reason)) this.tokens.forget();
  }

  async #renewToken(): Promise<void> {
    if (!this.tokens.renewable) return;
    try {
      const old = await this.tokens.current();
      this.tokens.forget();
      const token = await this.tokens.current();
      // The server would say at once that the old one ends soon, and we would ask again, for ever.
      if (token !== old) await this.request("refresh_token", { token });
    } catch {
      // The server closes the connection when the old token ends; the next attempt fetches another.
      this.tokens.forget();
    }
  }

  #refused(error: NotifierError): void {
    if (!this.#wanted) return;
    if (!REFUSED_FOR_GOOD.has(error.code)) {
      // The server may stay away for longer than the new token is valid.
      this.#renewedToken = false;
      return this.#retry(error.retryAfter);
    }
    this.tokens.forget();
    if (error.code === "forbidden" || this.#renewedToken || !this.tokens.renewable) {
      // What this one may not do, another tab of the user may.
      this.#link.close();
      return this.#change("unauthenticated");
    }
    this.#renewedToken = true;
    this.#attempt();
  }

  #closed(): void {
    this.#lost();
    this.#retry(this.#returnAfter);
    this.#returnAfter = undefined;
  }

  #lost(): void {
    this.listener.closed();
    this.#change("offline");
  }

  #retry(seconds: number | undefined): void {
    this.#change("offline");
    clearTimeout(this.#timer);
    const wait = seconds === undefined ? this.#backoff.next() : this.#backoff.after(seconds);
    this.#timer = setTimeout(() => this.#attempt(), wait);
  }

  #change(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.listener.changed(state);
  }
}
