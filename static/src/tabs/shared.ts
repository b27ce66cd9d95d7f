import { NotifierError, asProblem } from "../client/errors.ts";
import type { Preferences } from "../client/preferences.ts";
import type { EventName, RequestName, Requests, ServerEvents, SyncAnswer } from "../client/protocol.ts";
import type { Ask, Carrier, Link, LinkFactory, LinkListener } from "../links/link.ts";
import { Group } from "./group.ts";
import type { Received, TabId } from "./messages.ts";
import { type Answer, Questions, errorOf, problemOf } from "./questions.ts";
import type { Action, JoinTabs, Tabs, TabsListener } from "./tabs.ts";
import { userOf } from "./user.ts";

/** What the server tells all tabs; the rest is between it and the tab that leads. */
const TOLD: readonly EventName[] = ["notification", "removed", "state", "synced", "preferences"];
/** What is shown in all tabs as soon as one asks for it. */
const ACTED: readonly RequestName[] = ["mark_read", "mark_unread", "dismiss", "mark_seen", "set_preferences"];
/** What changes nothing is asked once for all who want to know it at the same time. */
const READ: readonly RequestName[] = ["feed", "sync", "get_preferences"];

/** Joins the tabs of the same user; where browsers cannot do it, each tab stands alone. */
export const joinTabs: JoinTabs = (listener) => new BrowserTabs(listener);

class BrowserTabs implements Tabs {
  #link: SharedLink | undefined;

  constructor(private readonly listener: TabsListener) {}

  get presents(): boolean {
    return this.#link?.presents ?? false;
  }

  get leads(): boolean {
    return this.#link?.leads ?? false;
  }

  share(open: LinkFactory): LinkFactory {
    return (url, credentials, listener) =>
      (this.#link = new SharedLink(open, url, credentials, listener, this.listener));
  }

  stand(): void {
    this.#link?.group?.stand();
  }

  closeToasts(ids: readonly string[]): void {
    this.#link?.group?.tell({ kind: "closed", ids });
  }
}

type Greeting = Extract<Received, { kind: "greeting" }>;

interface Question {
  id: string;
  name: RequestName;
  args: unknown;
}

/**
 * A link that all tabs of a user have in common: the leading tab holds the real one, passes on what it hears and asks
 * what the others want to know. Each tab keeps a cursor of its own, so whoever leads next goes on without a gap.
 */
class SharedLink implements Link {
  /** What this tab belongs to while it is open. */
  group: Group | undefined;
  /** It is open and belongs to nothing. */
  #isAlone = false;
  #turn = 0;
  /** What carries the real link; set while it is caught up. */
  #carrier: Carrier | undefined;
  #opening: Carrier | undefined;
  /** The leader has told what was missed before its events; those that come too early wait. */
  #greeted = false;
  #early: Received[] = [];
  /** No leader serves this tab, as far as it knows. */
  #isCut = true;
  readonly #own = new Map<string, Question>();
  readonly #questions = new Questions();
  readonly #reads = new Map<string, Promise<unknown>>();
  readonly #inner: Link;

  constructor(
    open: LinkFactory,
    private readonly url: string,
    private readonly credentials: Ask,
    private readonly listener: LinkListener,
    private readonly tabs: TabsListener,
  ) {
    this.#inner = open(url, credentials, {
      opened: (carrier) => {
        this.#opening = carrier;
        this.#carrier = undefined;
        listener.opened(carrier);
      },
      event: (name, payload) => this.#event(name, payload),
      refused: (error) => {
        this.#tellOffline(error);
        listener.refused(error);
      },
      closed: (reason) => {
        this.#tellOffline(new NotifierError("offline", reason));
        listener.closed(reason);
      },
    });
  }

  get presents(): boolean {
    return this.group?.presents ?? this.#isAlone;
  }

  get leads(): boolean {
    return this.group?.leads ?? this.#isAlone;
  }

  open(): void {
    const turn = ++this.#turn;
    const isOver = () => turn !== this.#turn;
    this.credentials().then(
      ({ token, since }) => void (isOver() || this.#enter(token, since)),
      (error: unknown) => void (isOver() || this.listener.refused(asProblem(error))),
    );
  }

  close(): void {
    this.#turn++;
    this.#leave();
    this.#isAlone = false;
    this.#inner.close();
  }

  async request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    const { group } = this;
    if (!group || (group.leads && !ACTED.includes(name))) return this.#inner.request(name, args);
    if (!group.leads && this.#isCut) throw new NotifierError("offline", "There is no connection.");
    const question = { id: crypto.randomUUID(), name, args };
    const answer = this.#questions.wait(question.id) as Promise<Requests[N][1]>;
    this.#own.set(question.id, question);
    this.#put(question);
    return answer.finally(() => this.#own.delete(question.id));
  }

  // Who leads

  #enter(token: string, since: string | undefined): void {
    const user = userOf(token);
    const name = user === undefined ? undefined : `notifier ${this.url} ${user}`;
    if (this.group?.name !== name) this.#leave();
    if (name === undefined) return this.#openAlone();
    this.group ??= this.#join(name);
    if (this.group.leads) this.#inner.open();
    else this.group.hello(this.#turn, since);
  }

  #openAlone(): void {
    this.#isAlone = true;
    this.tabs.changed();
    this.#inner.open();
  }

  #join(name: string): Group {
    this.#isAlone = false;
    addEventListener("pagehide", this.#putAside);
    document.addEventListener("freeze", this.#putAside);
    return new Group(name, {
      won: () => this.#inner.open(),
      lost: () => {
        this.#inner.close();
        this.#carrier = undefined;
        this.#expectGreeting();
      },
      called: () => this.#expectGreeting(),
      heard: (message) => this.#hear(message),
      changed: () => this.tabs.changed(),
      shows: () => this.tabs.shows(),
    });
  }

  #leave(): void {
    if (!this.group) return;
    removeEventListener("pagehide", this.#putAside);
    document.removeEventListener("freeze", this.#putAside);
    this.group.end();
    this.group = undefined;
    this.#carrier = undefined;
    this.#greeted = false;
    this.#isCut = true;
    this.tabs.changed();
  }

  /** The page is left or frozen: it must not lead. If it comes back, so does its connection. */
  readonly #putAside = (): void => {
    this.close();
    this.listener.closed("The page was put aside.");
  };

  #expectGreeting(): void {
    this.#greeted = false;
    this.#early = [];
    this.open();
  }

  // What the leader does

  #event<N extends EventName>(name: N, payload: ServerEvents[N]): void {
    this.listener.event(name, payload);
    if (this.#carrier && TOLD.includes(name)) this.group?.tell({ kind: "event", name, payload });
    if (name === "synced" && this.#opening) this.#caughtUp(this.#opening);
  }

  #caughtUp(carrier: Carrier): void {
    this.#carrier = carrier;
    this.#opening = undefined;
    this.group?.tell({ kind: "online" });
    for (const question of this.#own.values()) void this.#answer(question);
  }

  #tellOffline(error: NotifierError): void {
    this.#carrier = undefined;
    if (this.group?.leads) this.group.tell({ kind: "offline", problem: problemOf(error) });
  }

  async #greet(to: TabId, turn: number, since: string | undefined): Promise<void> {
    const carrier = this.#carrier!;
    try {
      const from = since ?? (await this.credentials()).since!;
      const asked = [this.#serve("sync", { since: from }), this.#serve("get_preferences", {})] as const;
      const [news, preferences] = (await Promise.all(asked)) as [SyncAnswer, Preferences];
      this.group?.tell({ kind: "greeting", to, turn, carrier, news, preferences });
    } catch (error) {
      this.group?.tell({ kind: "offline", to, problem: problemOf(asProblem(error)) });
    }
  }

  async #answer({ id, name, args }: Question): Promise<void> {
    const answer: Answer = await this.#serve(name, args).then(
      (data) => ({ data }),
      (error: unknown) => ({ problem: problemOf(asProblem(error)) }),
    );
    this.group?.tell({ kind: "answer", id, ...answer });
    this.#questions.settle(id, answer);
  }

  #serve(name: RequestName, args: unknown): Promise<unknown> {
    const ask = () => this.#inner.request(name, args as Requests[RequestName][0]);
    if (!READ.includes(name)) return ask();
    const key = JSON.stringify([name, args]);
    const read = this.#reads.get(key) ?? ask().finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  // What the others do

  #hear(message: Received): void {
    switch (message.kind) {
      case "hello":
        if (this.#carrier) void this.#greet(message.from, message.turn, message.since);
        break;
      case "ask":
        this.#asked(message);
        break;
      case "answer":
        this.#questions.settle(message.id, message);
        break;
      case "closed":
        this.tabs.toastsClosed(message.ids);
        break;
      default:
        // A leader that has just lost the lead to this tab may not know it yet.
        if (!this.leads && this.group?.isMeant(message)) this.#follow(message);
    }
  }

  #follow(message: Received): void {
    switch (message.kind) {
      case "greeting":
        if (message.turn === this.#turn) this.#take(message);
        break;
      case "event":
        if (this.#greeted) this.listener.event(message.name, message.payload as never);
        else this.#early.push(message);
        break;
      case "offline":
        this.#cut(errorOf(message.problem));
        break;
    }
  }

  #take({ carrier, news, preferences }: Greeting): void {
    const { items, removed = [], cursor, unread, unseen, until = null, recovered } = news;
    this.#greeted = true;
    this.#isCut = false;
    this.listener.opened(carrier);
    for (const entry of items) this.listener.event("notification", entry);
    if (removed.length) this.listener.event("removed", { ids: removed });
    this.listener.event("synced", { cursor, counts: { unread, unseen, until }, recovered, preferences });
    for (const message of this.#early.splice(0)) this.#hear(message);
    for (const question of this.#own.values()) this.#put(question);
  }

  #cut(error: NotifierError): void {
    const wasServed = !this.#isCut;
    this.#greeted = false;
    this.#isCut = true;
    if (wasServed) this.listener.closed(error.message);
    else this.listener.refused(error);
  }

  /** Tells all tabs what this one asks; the leader answers. */
  #put(question: Question): void {
    this.group?.tell({ kind: "ask", ...question });
    if (this.#carrier || this.group?.leads) void this.#answer(question);
  }

  #asked(question: Question): void {
    const isNew = !this.#questions.has(question.id);
    if (isNew && ACTED.includes(question.name)) {
      this.tabs.acted(question as unknown as Action, this.#questions.wait(question.id));
    }
    if (this.#carrier) void this.#answer(question);
  }
}
