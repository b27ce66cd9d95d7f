import { Backoff } from "../client/backoff.ts";
import { NotifierError } from "../client/errors.ts";
import type { RequestName, Requests } from "../client/protocol.ts";
import type { Ask, Link, LinkFactory, LinkListener, Transport } from "./link.ts";
import { lazyLink } from "./lazy.ts";
import { socketioLink } from "./socketio.ts";
import { Trial } from "./trial.ts";

/** A way that gives no sign of life for so long is blocked, as far as a person who waits is concerned... */
const PATIENCE_MS = 5_000;
/** ...unless it is the only one left. */
const LAST_PATIENCE_MS = 20_000;
/** A link that holds so long is no accident. */
const STEADY_MS = 30_000;
/** When so many in a row have not held so long, the last of them steps down at its end. */
const UNSTEADY = 2;
/** At most so long until a better way is tried again: the first time, and when it has failed again and again. */
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;

const fallback = () => import("./fallback.ts");

const LINKS: Readonly<Record<Transport, LinkFactory>> = {
  websocket: socketioLink,
  sse: lazyLink(async () => (await fallback()).sseLink),
  poll: lazyLink(async () => (await fallback()).pollLink),
};

/** A link over the best of these transports that works. Throws a TypeError for one that is none. */
export function linkOver(transports: readonly Transport[]): LinkFactory {
  const unknown = transports.find((name) => !Object.hasOwn(LINKS, name));
  if (unknown !== undefined || !transports.length) throw new TypeError(`There is no transport “${unknown ?? ""}”.`);
  // Fetched while the first way is tried: later the network may be gone, or the file with a new release.
  fallback().catch(() => undefined);
  return ladder(transports.map((name) => LINKS[name]));
}

/**
 * Makes one link of several, the best first. It steps down from one that does not work to the next, and while on a
 * lower one tries the better ones again in the background. A link is heard only when it has caught up, so it can
 * take over from another without a gap: its replay began at a cursor that the other had reached.
 */
export function ladder(rungs: readonly LinkFactory[]): LinkFactory {
  return (url, credentials, listener) => new Ladder(rungs, url, credentials, listener);
}

class Ladder implements Link {
  #carrying: Trial | undefined;
  #trial: Trial | undefined;
  /** Where the next opening begins: the rung that worked last. */
  #start = 0;
  /** Links that took over since one was steady. */
  #unsteady = 0;
  #climbTimer: ReturnType<typeof setTimeout> | undefined;
  #steadyTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #pauses = new Backoff(Math.random, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);

  constructor(
    private readonly rungs: readonly LinkFactory[],
    private readonly url: string,
    private readonly credentials: Ask,
    private readonly listener: LinkListener,
  ) {}

  open(): void {
    this.close();
    this.#try(this.#start, this.rungs.length);
  }

  close(): void {
    clearTimeout(this.#climbTimer);
    clearTimeout(this.#steadyTimer);
    this.#trial?.drop();
    this.#carrying?.drop();
    this.#trial = this.#carrying = undefined;
  }

  async request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    if (!this.#carrying) throw new NotifierError("offline", "There is no connection.");
    return this.#carrying.request(name, args);
  }

  /** Tries one rung after the other, up to but not including `end`. */
  #try(index: number, end: number): void {
    const isLast = index === this.rungs.length - 1;
    const patience = isLast ? LAST_PATIENCE_MS : PATIENCE_MS;
    this.#trial = new Trial(this.rungs[index]!, patience, this.url, this.credentials, {
      caughtUp: (trial) => this.#takeOver(trial, index),
      failed: (error) => {
        if (isBlocked(error) && index + 1 < end) this.#try(index + 1, end);
        else this.#failed(error);
      },
      event: (name, payload) => this.listener.event(name, payload),
      closed: (reason) => this.#fell(index, reason),
    });
    this.#trial.begin();
  }

  #takeOver(trial: Trial, index: number): void {
    this.#carrying?.drop();
    this.#carrying = trial;
    this.#trial = undefined;
    this.#start = index;
    this.#unsteady++;
    clearTimeout(this.#steadyTimer);
    this.#steadyTimer = setTimeout(() => this.#steady(index), STEADY_MS);
    this.#climbLater(index);
    trial.carry((carrier) => this.listener.opened(carrier));
  }

  #climbLater(from: number): void {
    if (from > 0) this.#climbTimer = setTimeout(() => this.#try(0, from), this.#pauses.next());
  }

  #failed(error: NotifierError): void {
    this.#trial = undefined;
    if (this.#carrying) return this.#climbLater(this.#start);
    this.#start = 0;
    this.listener.refused(error);
  }

  #steady(index: number): void {
    this.#unsteady = 0;
    if (index === 0) this.#pauses.reset();
  }

  #fell(index: number, reason: string): void {
    this.close();
    if (this.#unsteady >= UNSTEADY) {
      this.#unsteady = 0;
      this.#start = Math.min(index + 1, this.rungs.length - 1);
    }
    this.listener.closed(reason);
  }
}

/** No answer of a server, but the lack of one: another way may lead there. */
function isBlocked({ code }: NotifierError): boolean {
  return code === "offline" || code === "timeout";
}
