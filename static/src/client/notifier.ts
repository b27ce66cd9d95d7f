import * as inboxes from "../inbox/inbox.ts";
import type { Inbox, Item } from "../inbox/inbox.ts";
import { type Decision, decide } from "../display/display.ts";
import type { LinkFactory, Transport } from "../links/link.ts";
import { linkOver } from "../links/ladder.ts";
import { ALONE, type JoinTabs, type Tabs } from "../tabs/tabs.ts";
import { Actions } from "./actions.ts";
import { Catalogue, type TypeInfo } from "./catalogue.ts";
import { Changes } from "./changes.ts";
import { Connection } from "./connection.ts";
import { formatCursor, furthest, type Position, parseCursor } from "./cursor.ts";
import { Emitter } from "./emitter.ts";
import { Expiry } from "./expiry.ts";
import { Feed } from "./feed.ts";
import { CHANNELS, type Channel, type Preferences, type PreferencesChange, Settings } from "./preferences.ts";
import type { Entry, RequestName, Requests, StateChange, SyncAnswer, Synced } from "./protocol.ts";
import { type LogEvent, Reader } from "./reader.ts";
import type { NotifierEvents, Snapshot } from "./snapshot.ts";
import { type TokenSource, Tokens } from "./tokens.ts";

const COUNTED = 100;

/** A client of one user: once connected it stays so, and it holds the inbox. */
export class Notifier {
  #inbox: Inbox = inboxes.EMPTY;
  #snapshot: Snapshot;
  #known = false;
  readonly #presenters = new Set<object>();
  /** A link has opened and tells what was missed. */
  #catchingUp = false;
  /** The ids of missed notifications, to be told when the preferences of now are here. */
  #missed: string[] = [];
  /** Jumps in a log are no losses on the present link. */
  #gapless = false;
  readonly #listeners = new Emitter<{ snapshot: Snapshot }>();
  readonly #events = new Emitter<NotifierEvents>();
  readonly #catalogue: Catalogue;
  readonly #connection: Connection;
  readonly #tabs: Tabs;
  readonly #settings = new Settings(() => this.#publish());
  readonly #changes = new Changes();
  readonly #actions = new Actions(
    {
      inbox: () => this.#inbox,
      update: (inbox) => this.#update(inbox),
      request: (name, args) => this.#request(name, args),
      failed: (error) => this.#events.emit("failed", error),
      refresh: () => this.#feed.refresh(),
      settle: () => {
        this.#feed.refresh();
        this.#askPreferences();
      },
    },
    this.#settings,
    this.#changes,
  );
  readonly #reader = new Reader({
    cursor: () => this.#inbox.cursor,
    take: (event, position) => this.#take(event, position),
    sync: () => this.#request("sync", { since: formatCursor(this.#inbox.cursor) }),
    fill: (answer) => this.#fill(answer),
    broken: () => this.#connection.restart(),
  });
  readonly #feed = new Feed(
    {
      inbox: () => this.#inbox,
      update: (inbox) => this.#update(inbox),
      request: (args) => this.#request("feed", args),
      changed: () => this.#publish(),
      isOnline: () => this.#connection.state === "online",
    },
    this.#changes,
  );
  readonly #expiry = new Expiry({
    expired: (ids) => this.#remove(ids),
    settled: () => this.#feed.refresh(),
  });

  constructor(
    url: string,
    source: TokenSource,
    link: LinkFactory,
    joinTabs: JoinTabs = ALONE,
  ) {
    const tokens = new Tokens(source);
    this.#tabs = joinTabs({
      changed: () => this.#publish(),
      acted: (action, outcome) => this.#actions.mirror(action, outcome),
      toastsClosed: (ids) => this.#events.emit("toastsClosed", { ids }),
      shows: () => this.#presenters.size > 0,
    });
    this.#catalogue = new Catalogue(url, tokens, () => this.#events.emit("types", undefined));
    this.#connection = new Connection(url, this.#tabs.share(link), tokens, () => this.#since(), {
      changed: () => this.#publish(),
      opened: ({ gapless }) => {
        this.#gapless = gapless;
        this.#catchingUp = true;
        this.#reader.replay();
        this.#catalogue.load();
      },
      closed: () => {
        this.#reader.replay();
        this.#feed.forget();
      },
      event: (name, payload) => {
        this.#events.emit("wire", { direction: "in", name, payload });
        if (name === "synced") this.#synced(payload as Synced);
        else if (name === "preferences") this.#prefer(payload as Preferences);
        else if (name === "notification" || name === "removed" || name === "state") {
          this.#reader.accept({ name, payload } as LogEvent);
        }
      },
    });
    this.#snapshot = this.#makeSnapshot();
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Calls back after every change; returns the function that ends it. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void {
    return this.#listeners.on("snapshot", listener);
  }

  /** Listens to one kind of event; returns the function that ends it. */
  on<N extends keyof NotifierEvents>(
    name: N,
    listener: (payload: NotifierEvents[N]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** How a type looks and where it is shown; neutral for an unknown one. */
  typeInfo(name: string): TypeInfo {
    return this.#catalogue.info(name);
  }

  /** The types this user may receive, by name; empty until they are here. */
  get types(): ReadonlyMap<string, TypeInfo> {
    return this.#catalogue.types;
  }

  /** Where a notification is shown now, and which rule says so. */
  displayOf(item: Entry): Readonly<Record<Channel, Decision>> {
    const [info, now] = [this.typeInfo(item.type), new Date()];
    const decisions = CHANNELS.map((channel) => [channel, decide(channel, item, info, this.#settings.now, now)]);
    return Object.fromEntries(decisions) as Record<Channel, Decision>;
  }

  connect(): void {
    globalThis.addEventListener?.("pagehide", this.#actions.leave);
    this.#connection.connect();
  }

  /** Goes offline until `connect`; what was loaded stays. A pending clear is carried out first. */
  disconnect(): void {
    this.#actions.leave();
    globalThis.removeEventListener?.("pagehide", this.#actions.leave);
    this.#expiry.stop();
    this.#connection.disconnect();
  }

  /** Goes on over these transports, the best first, from where it is. */
  useTransports(transports: readonly Transport[]): void {
    this.#connection.use(this.#tabs.share(linkOver(transports)));
  }

  // Actions show at once and are taken back when the server refuses; they reject with a NotifierError.
  // Ids need not be loaded.

  markRead(ids: readonly string[]): Promise<void> {
    return this.#actions.actOn("mark_read", this.#aliases(ids));
  }

  markUnread(ids: readonly string[]): Promise<void> {
    return this.#actions.actOn("mark_unread", this.#aliases(ids));
  }

  dismiss(ids: readonly string[]): Promise<void> {
    return this.#actions.actOn("dismiss", this.#aliases(ids));
  }

  markAllRead(): Promise<void> {
    return this.#actions.act("mark_read", { all: true, cursor: formatCursor(this.#inbox.cursor) });
  }

  /** Marks everything seen. */
  markSeen(): Promise<void> {
    return this.#actions.markSeen();
  }

  setPreferences(change: PreferencesChange): Promise<void> {
    return this.#actions.setPreferences(change);
  }

  /** Empties the inbox. For six seconds `undoClear` takes it back; only then the server is told. */
  clearAll(): void {
    this.#actions.clear();
  }

  undoClear(): void {
    this.#actions.undoClear();
  }

  /** Loads the newest notifications again. */
  reload(): Promise<void> {
    return this.#feed.reload();
  }

  /** Loads the page after the last loaded one; nothing at the end. */
  loadMore(): Promise<void> {
    return this.#feed.loadMore();
  }

  /** Says in all tabs that these notifications need no toast any more. */
  closeToasts(items: readonly Item[]): void {
    this.#tabs.closeToasts(items.map((item) => item.notification_id));
  }

  /** There is something here to show toasts with, until the function that is returned is called. */
  enterStage(): () => void {
    const presenter = {};
    this.#presenters.add(presenter);
    this.#tabs.stand();
    return () => {
      if (this.#presenters.delete(presenter)) this.#tabs.stand();
    };
  }

  #since(): string | undefined {
    return this.#known ? formatCursor(this.#inbox.cursor) : undefined;
  }

  #synced({ cursor, counts, recovered, preferences }: Synced): void {
    if (preferences) this.#settings.take(preferences);
    else if (!this.#settings.known) this.#askPreferences();
    if (!recovered && this.#known) this.#reset();
    this.#known = true;
    if (!this.#gapless) this.#reader.live();
    // One link may have told what was still on its way to the other.
    const theirs = parseCursor(cursor);
    const here = recovered ? furthest(theirs, this.#inbox.cursor) : theirs;
    const { unread, unseen, loaded } = this.#inbox;
    this.#update(inboxes.withCounts({ ...this.#inbox, cursor: here }, counts));
    const asExpected = isCount(unread, counts.unread) && isCount(unseen, counts.unseen);
    if (!loaded || this.#connection.state !== "online" || !asExpected) this.#feed.refresh();
    this.#catchingUp = false;
    this.#tellMissed();
  }

  /** Where they are shown is for the preferences of now to say, which come after them. */
  #tellMissed(): void {
    const missed = new Set(this.#missed.splice(0));
    const items = this.#inbox.items.filter((item) => missed.has(item.notification_id));
    for (const item of items.reverse()) this.#events.emit("notification", { item, replayed: true });
  }

  #take(event: LogEvent, position: Position | undefined): void {
    if (position) this.#inbox = inboxes.moveTo(this.#inbox, position);
    if (event.name === "notification") this.#arrive(event.payload, false);
    if (event.name === "removed") this.#remove(event.payload.ids);
    if (event.name === "state") this.#follow(event.payload);
  }

  #arrive(entry: Entry, filled: boolean): void {
    const isNew = !this.#inbox.items.some((old) => old.notification_id === entry.notification_id);
    this.#remove(entry.replaces ?? []);
    this.#update(inboxes.arrive(this.#inbox, entry));
    const item = this.#inbox.items[0];
    if (!item || !isNew) return;
    if (this.#catchingUp) this.#missed.push(item.notification_id);
    else this.#events.emit("notification", { item, replayed: filled });
  }

  #remove(ids: readonly string[]): void {
    this.#changes.note((inbox) => inboxes.remove(inbox, ids));
    this.#withdraw(inboxes.remove(this.#inbox, ids));
  }

  #follow(change: StateChange): void {
    const { joined: _, left: __, counts: ___, ...marks } = change;
    this.#changes.note((inbox) => inboxes.follow(inbox, marks));
    this.#withdraw(inboxes.follow(this.#inbox, change));
    if (change.joined) this.#feed.refresh();
    this.#events.emit("state", change);
  }

  /** Takes the next inbox and tells which items are gone. */
  #withdraw(next: Inbox): void {
    const kept = new Set(next.items.map((item) => item.notification_id));
    const items = this.#inbox.items.filter((item) => !kept.has(item.notification_id));
    this.#update(next);
    if (items.length) this.#events.emit("removed", { items });
  }

  #fill(answer: SyncAnswer): void {
    if (answer.recovered) this.#catchUp(answer);
    else this.#reset();
    const cursor = parseCursor(answer.cursor);
    this.#update(inboxes.withCounts({ ...this.#inbox, cursor }, answer));
    if (!answer.recovered) this.#feed.refresh();
  }

  #catchUp({ items, removed = [] }: SyncAnswer): void {
    for (const entry of items) this.#arrive(entry, true);
    this.#remove(removed);
  }

  #reset(): void {
    this.#inbox = { ...inboxes.EMPTY, cleared: this.#inbox.cleared };
  }

  #prefer(preferences: Preferences): void {
    this.#settings.take(preferences);
    this.#feed.refresh();
  }

  /** Without them the defaults hold; the next `synced` asks again. */
  #askPreferences(): void {
    this.#request("get_preferences", {}).then((preferences) => this.#settings.take(preferences), () => undefined);
  }

  /** All ids of the notifications that are loaded, and the others as they are. */
  #aliases(ids: readonly string[]): string[] {
    const wanted = new Set(ids);
    const items = this.#inbox.items.filter((item) => item.aliases.some((id) => wanted.has(id)));
    return [...new Set([...items.flatMap((item) => item.aliases), ...ids])];
  }

  async #request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    this.#events.emit("wire", { direction: "out", name, payload: args });
    return this.#connection.request(name, args);
  }

  #update(inbox: Inbox): void {
    if (inbox === this.#inbox) return;
    this.#inbox = inbox;
    this.#expiry.watch(inbox.items, inbox.until ?? null);
    this.#publish();
  }

  #publish(): void {
    this.#snapshot = this.#makeSnapshot();
    this.#listeners.emit("snapshot", this.#snapshot);
  }

  #makeSnapshot(): Snapshot {
    const { items, unread, unseen, loaded, next, cleared } = this.#inbox;
    return {
      connection: this.#connection.state,
      link: this.#connection.transport,
      items,
      unread,
      unseen,
      cursor: this.#since(),
      loaded,
      more: next !== null,
      problem: this.#feed.problem,
      undoable: cleared !== undefined,
      preferences: this.#settings.now,
      presents: this.#tabs.presents,
      leads: this.#tabs.leads,
    };
  }
}

/** The server stops counting at 100; what comes then is counted here. */
function isCount(ours: number, theirs: number): boolean {
  return Math.min(ours, COUNTED) === Math.min(theirs, COUNTED);
}
