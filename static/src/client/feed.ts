import * as inboxes from "../inbox/inbox.ts";
import type { Inbox } from "../inbox/inbox.ts";
import { Backoff } from "./backoff.ts";
import type { Changes } from "./changes.ts";
import type { NotifierError } from "./errors.ts";
import type { FeedPage } from "./protocol.ts";

/** One screenful and a little more; the server allows 100. */
const PAGE = 20;
const LONGEST_PAGE = 100;
/** More than anybody reads: what lies beyond is loaded again on the way there. */
const LONGEST_WINDOW = 500;

export interface FeedPort {
  inbox(): Inbox;
  update(inbox: Inbox): void;
  request(args: { limit: number; before?: string }): Promise<FeedPage>;
  /** `problem` changed. */
  changed(): void;
  isOnline(): boolean;
}

/** Brings the pages of the feed into the inbox. */
export class Feed {
  /** Why the newest page could not be loaded. */
  problem: NotifierError | undefined;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff = new Backoff();

  constructor(
    private readonly port: FeedPort,
    private readonly changes: Changes,
  ) {}

  /** Loads the newest notifications again, as many as are loaded. Rejects with a NotifierError. */
  async reload(): Promise<void> {
    this.forget();
    const turn = this.#turn;
    try {
      const { answer, redo } = await this.changes.follow(this.#window(turn));
      if (turn !== this.#turn) return;
      this.problem = undefined;
      this.#backoff.reset();
      this.port.update(redo(inboxes.loadNewest(this.port.inbox(), answer)));
    } catch (error) {
      if (turn === this.#turn) this.problem = error as NotifierError;
      this.port.changed();
      throw error;
    }
  }

  /** What is loaded, as one page. */
  async #window(turn: number): Promise<FeedPage> {
    const length = Math.min(LONGEST_WINDOW, this.port.inbox().items.length);
    let page = await this.port.request({ limit: this.#asMuchAgain() });
    while (page.next !== null && page.items.length < length && turn === this.#turn) {
      const limit = Math.min(LONGEST_PAGE, length - page.items.length);
      const { items, next } = await this.port.request({ limit, before: page.next });
      page = { ...page, items: [...page.items, ...items], next };
    }
    return page;
  }

  /** A reload that nobody waits for: tried again until it succeeds or is forgotten. */
  refresh(): void {
    this.reload().catch(({ retryAfter }: NotifierError) => {
      // Without a connection there is nothing to try: the next one begins with a refresh.
      if (!this.port.isOnline()) return;
      const wait = retryAfter === undefined ? this.#backoff.next() : this.#backoff.after(retryAfter);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.refresh(), wait);
    });
  }

  /** Loads the page after the last loaded one; nothing at the end. Rejects with a NotifierError. */
  async loadMore(): Promise<void> {
    const before = this.port.inbox().next;
    if (before === null) return;
    const { answer, redo } = await this.changes.follow(this.port.request({ limit: this.#asMuchAgain(), before }));
    const inbox = this.port.inbox();
    const { unread, unseen } = inbox; // older ones are counted already, as they are now
    if (inbox.next === before) this.port.update({ ...redo(inboxes.loadOlder(inbox, answer)), unread, unseen });
  }

  /** Who has scrolled far goes on in larger steps. */
  #asMuchAgain(): number {
    return Math.min(LONGEST_PAGE, Math.max(PAGE, this.port.inbox().items.length));
  }

  /** Newest pages asked for before this are nobody's any more. */
  forget(): void {
    this.#turn++;
    clearTimeout(this.#timer);
  }
}
