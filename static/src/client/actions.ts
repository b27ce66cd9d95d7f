import * as inboxes from "../inbox/inbox.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { Action } from "../tabs/tabs.ts";
import type { Changes } from "./changes.ts";
import { formatCursor } from "./cursor.ts";
import type { NotifierError } from "./errors.ts";
import type { Preferences, PreferencesChange, Settings } from "./preferences.ts";
import type { ActionName, Counts, RequestName, Requests } from "./protocol.ts";

/** As many ids the server takes at once. */
const MOST_IDS = 500;
/** How long "clear all" can be taken back. */
const UNDO_MS = 6_000;

export interface ActionsPort {
  inbox(): Inbox;
  update(inbox: Inbox): void;
  request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]>;
  /** Something was taken back. */
  failed(error: NotifierError): void;
  /** Loads the feed again. */
  refresh(): void;
  /** Asks how things are, after an action of which nobody knows whether it was done. */
  settle(): void;
}

/** What the user does: it shows at once, and is taken back when the server refuses. */
export class Actions {
  #seeing: Promise<void> | undefined;
  #undoTimer: ReturnType<typeof setTimeout> | undefined;
  /** How many the server has not answered yet: its counts do not know the later ones. */
  #pending = 0;

  constructor(
    private readonly port: ActionsPort,
    private readonly settings: Settings,
    private readonly changes: Changes,
  ) {}

  /** Rejects with a NotifierError when it is taken back. */
  act<N extends ActionName>(name: N, args: Requests[N][0]): Promise<void> {
    return this.#tellFailure(this.#show(name, args, this.port.request(name, args)));
  }

  /** Long lists go in parts, of which each may be refused. */
  async actOn(name: "mark_read" | "mark_unread" | "dismiss", ids: readonly string[]): Promise<void> {
    const parts = Array.from({ length: Math.ceil(ids.length / MOST_IDS) }, (_, index) =>
      this.act(name, { ids: ids.slice(index * MOST_IDS, (index + 1) * MOST_IDS) }),
    );
    await Promise.all(parts);
  }

  /** Calls that come while one is on its way are answered by one more. */
  async markSeen(): Promise<void> {
    if (this.port.inbox().unseen === 0) return;
    await this.#seeing?.catch(() => undefined);
    if (this.port.inbox().unseen === 0) return;
    this.#seeing = this.act("mark_seen", { cursor: formatCursor(this.port.inbox().cursor) });
    await this.#seeing;
  }

  setPreferences(given: PreferencesChange): Promise<void> {
    // A proxy, such as Vue's, could not be sent to other tabs.
    const change = JSON.parse(JSON.stringify(given)) as PreferencesChange;
    return this.#tellFailure(this.#change(change, this.port.request("set_preferences", change)));
  }

  /** Another tab acts: it shows here as well. */
  mirror({ name, args }: Action, outcome: Promise<unknown>): void {
    const shown =
      name === "set_preferences"
        ? this.#change(args as PreferencesChange, outcome as Promise<Preferences>)
        : this.#show(name, args as Requests[ActionName][0], outcome as Promise<Counts>);
    // That tab may have gone before it heard of its success.
    shown.catch(({ code }: NotifierError) => (code === "timeout" ? this.port.settle() : this.port.refresh()));
  }

  clear(): void {
    this.leave();
    this.port.update(inboxes.clear(this.port.inbox()));
    this.#undoTimer = setTimeout(this.leave, UNDO_MS);
  }

  undoClear(): void {
    clearTimeout(this.#undoTimer);
    this.port.update(inboxes.unclear(this.port.inbox()));
    this.port.refresh();
  }

  /** Carries out a pending clear, now that it cannot be taken back any more. */
  readonly leave = (): void => {
    clearTimeout(this.#undoTimer);
    const { cleared } = this.port.inbox();
    if (!cleared) return;
    const target = { all: true as const, cursor: formatCursor(cleared.cursor) };
    this.port.update({ ...this.port.inbox(), cleared: undefined });
    const done = this.port.request("dismiss", target);
    this.changes.during((inbox) => inboxes.act(inbox, "dismiss", target), done);
    done.then(
      () => this.port.refresh(),
      (error: NotifierError) => {
        this.port.update(inboxes.unclear({ ...this.port.inbox(), cleared }));
        this.#failed(error);
      },
    );
  };

  async #show<N extends ActionName>(name: N, args: Requests[N][0], outcome: Promise<Counts>): Promise<void> {
    const before = this.port.inbox();
    const after = inboxes.act(before, name, args);
    this.changes.during((inbox) => inboxes.act(inbox, name, args), outcome);
    this.port.update(after);
    this.#pending++;
    try {
      const counts = await outcome;
      if (this.#pending === 1) this.port.update(inboxes.withCounts(this.port.inbox(), counts));
    } catch (error) {
      this.port.update(inboxes.restore(this.port.inbox(), before, after));
      throw error;
    } finally {
      this.#pending--;
    }
  }

  /** What is muted or unmuted leaves or joins the feed. */
  async #change(change: PreferencesChange, outcome: Promise<Preferences>): Promise<void> {
    await this.settings.change(change, outcome);
    this.port.refresh();
  }

  async #tellFailure(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.#failed(error as NotifierError);
      throw error;
    }
  }

  #failed(error: NotifierError): void {
    this.port.failed(error);
    if (error.code === "timeout") this.port.settle();
  }
}
