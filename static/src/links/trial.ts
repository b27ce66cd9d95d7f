import { NotifierError } from "../client/errors.ts";
import type { EventName, RequestName, Requests, ServerEvents } from "../client/protocol.ts";
import type { Ask, Carrier, Link, LinkFactory, LinkListener } from "./link.ts";

export interface TrialListener extends Pick<LinkListener, "event" | "closed"> {
  /** The link works, and all that was missed is here: `carry` begins to tell it. */
  caughtUp(trial: Trial): void;
  /** It did not come so far. */
  failed(error: NotifierError): void;
}

/** One opening of a link, which is heard only when it has proved itself. */
export class Trial {
  #isOver = false;
  #carries = false;
  #carrier: Carrier | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heard: (() => void)[] = [];
  readonly #link: Link;

  /** `patience`: milliseconds without a sign of life. */
  constructor(
    open: LinkFactory,
    private readonly patience: number,
    url: string,
    credentials: Ask,
    private readonly listener: TrialListener,
  ) {
    // The time that the application takes for its token is not the link's.
    const given = async (stale?: string) => {
      clearTimeout(this.#timer);
      const shown = await credentials(stale);
      this.#wait();
      return shown;
    };
    this.#link = open(url, given, {
      opened: (carrier) => {
        this.#carrier = carrier;
        this.#wait();
      },
      event: (name, payload) => this.#event(name, payload),
      refused: (error) => this.#fail(error),
      closed: (reason) => this.#closed(reason),
    });
  }

  begin(): void {
    this.#wait();
    this.#link.open();
  }

  /** From now on, what the link says is told at once. */
  carry(opened: (carrier: Carrier) => void): void {
    this.#carries = true;
    opened(this.#carrier!);
    for (const tell of this.#heard.splice(0)) {
      if (!this.#isOver) tell();
    }
  }

  /** Nothing is heard of it any more. */
  drop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#link.close();
  }

  request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    return this.#link.request(name, args);
  }

  #event<N extends EventName>(name: N, payload: ServerEvents[N]): void {
    if (this.#isOver) return;
    if (this.#carries) return this.listener.event(name, payload);
    this.#heard.push(() => this.listener.event(name, payload));
    if (name !== "synced") return this.#wait();
    clearTimeout(this.#timer);
    this.listener.caughtUp(this);
  }

  #wait(): void {
    if (this.#isOver || this.#carries) return;
    clearTimeout(this.#timer);
    const late = new NotifierError("timeout", "The server did not answer in time.");
    this.#timer = setTimeout(() => this.#fail(late), this.patience);
  }

  #fail(error: NotifierError): void {
    if (this.#isOver) return;
    this.drop();
    this.listener.failed(error);
  }

  #closed(reason: string): void {
    if (!this.#carries) return this.#fail(new NotifierError("offline", reason));
    if (this.#isOver) return;
    this.drop();
    this.listener.closed(reason);
  }
}
