import { Leadership } from "./leadership.ts";
import { Line, type Message, type Received, type Standing, type TabId } from "./messages.ts";
import { Presence } from "./presence.ts";
import { Stage, attention } from "./stage.ts";

/** A leader that says nothing for so long is none: its page hangs, or was put aside without a word. */
const PATIENCE_MS = 1_000;
/** Browsers slow down what is in the background for so long; a tab on the screen leads better. */
const HIDDEN_MS = 60_000;

/** When the attention that a tab has may change. */
const ATTENTION = ["focus", "blur", "visibilitychange"];

export interface GroupListener {
  /** This tab leads now. */
  won(): void;
  /** Another tab took over. */
  lost(): void;
  /** The leader wants to know where everybody stands: say `hello`. */
  called(): void;
  /** Whether this tab has something to show toasts with. */
  shows(): boolean;
  /** Something else was told. */
  heard(message: Received): void;
  /** `leads` or `presents` changed. */
  changed(): void;
}

/** The tabs of one user in one browser: one leads, one presents. */
export class Group {
  #holder: TabId | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  /** This tab has been in the background for too long to lead, if there is another. */
  #isStale = false;
  readonly #stage = new Stage();
  readonly #line: Line;
  readonly #presence: Presence;
  readonly #leadership: Leadership;

  constructor(
    readonly name: string,
    private readonly listener: GroupListener,
  ) {
    this.#line = new Line(name, (message) => this.#hear(message));
    this.#presence = new Presence(name, this.#line.id);
    this.#leadership = new Leadership(name, { won: () => this.#won(), lost: () => listener.lost() });
    for (const event of ATTENTION) addEventListener(event, this.#attend);
    this.#watchHidden();
  }

  get leads(): boolean {
    return this.#leadership.leads;
  }

  get presents(): boolean {
    return this.#holder === this.#line.id;
  }

  tell(message: Message): void {
    this.#line.tell(message);
  }

  /** True when a message is for this tab. */
  isMeant(message: Received): boolean {
    return !("to" in message) || message.to === this.#line.id;
  }

  /** Asks the leader for what was missed. It has to answer at once, or it is none. */
  hello(turn: number, since: string | undefined): void {
    this.#presence.entered(() => this.tell({ kind: "hello", turn, since, standing: this.#standing }));
    this.#expectAnswer();
  }

  end(): void {
    clearTimeout(this.#patience);
    clearTimeout(this.#hidden);
    for (const event of ATTENTION) removeEventListener(event, this.#attend);
    this.#line.close();
    this.#presence.end();
    this.#leadership.end();
  }

  #expectAnswer(): void {
    clearTimeout(this.#patience);
    const seize = () => this.#leadership.seize();
    // In two halves: where it was this page that hung, the answer that came meanwhile is heard between them.
    this.#patience = setTimeout(() => (this.#patience = setTimeout(seize, PATIENCE_MS / 2)), PATIENCE_MS / 2);
  }

  #won(): void {
    clearTimeout(this.#patience);
    this.#stage.clear();
    this.#stage.note(this.#line.id, this.#standing);
    this.tell({ kind: "leads" });
    this.#direct();
    this.listener.won();
    this.listener.changed();
  }

  #hear(message: Received): void {
    const { kind, from } = message;
    if (this.leads) {
      if (kind === "hello" || kind === "standing") this.#welcome(from, message.standing);
      if (kind === "bye") this.#forget(from);
    } else {
      if (kind === "here" && this.isMeant(message)) clearTimeout(this.#patience);
      if (kind === "yield" && this.isMeant(message)) this.#leadership.seize();
      if (kind === "stage") this.#hold(message.holder);
      if (kind === "leads" || kind === "online") this.listener.called();
    }
    this.listener.heard(message);
  }

  #welcome(from: TabId, standing: Standing): void {
    this.tell({ kind: "here", to: from });
    this.#stage.note(from, standing);
    this.#presence.watch(from, () => this.leads && this.#forget(from));
    this.#direct();
  }

  #forget(tab: TabId): void {
    this.#stage.forget(tab);
    this.#direct();
  }

  /** Says who is on stage; hands over the lead to that tab when this one has been in the background for long. */
  #direct(): void {
    const holder = this.#stage.holder(this.#line.id);
    this.tell({ kind: "stage", holder });
    this.#hold(holder);
    const front = this.#stage.front(this.#line.id);
    if (this.#isStale && front !== this.#line.id) this.tell({ kind: "yield", to: front });
  }

  get #standing(): Standing {
    return { attention: attention(), shows: this.listener.shows() };
  }

  #hold(holder: TabId): void {
    if (holder === this.#holder) return;
    this.#holder = holder;
    this.listener.changed();
  }

  readonly #attend = (): void => {
    this.#watchHidden();
    this.stand();
    if (!this.leads && attention() > 0) this.#expectAnswer();
  };

  /** Says what counts for who presents, after it has changed. */
  stand(): void {
    if (!this.leads) return this.#presence.entered(() => this.tell({ kind: "standing", standing: this.#standing }));
    this.#stage.note(this.#line.id, this.#standing);
    this.#direct();
  }

  #watchHidden(): void {
    clearTimeout(this.#hidden);
    this.#isStale = false;
    if (attention() > 0) return;
    this.#hidden = setTimeout(() => {
      this.#isStale = true;
      if (this.leads) this.#direct();
    }, HIDDEN_MS);
  }
}
