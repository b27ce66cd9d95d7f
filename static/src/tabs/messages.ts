import type { Preferences } from "../client/preferences.ts";
import type { EventName, RequestName, SyncAnswer } from "../client/protocol.ts";
import type { Carrier } from "../links/link.ts";

/** What a tab is to its user: in the background, on the screen, or in use. */
export type Attention = 0 | 1 | 2;

/** What counts for who presents. */
export interface Standing {
  attention: Attention;
  /** It has something to show toasts with. */
  shows: boolean;
}

/** Names a tab, for as long as it belongs to a group. */
export type TabId = string;

/** A NotifierError on its way to another tab. */
export interface Problem {
  code: string;
  message: string;
  retryAfter: number | undefined;
}

/** What tabs tell each other; `from` is added on the way. */
export type Message =
  // By the leading tab:
  /** It leads from now on. */
  | { kind: "leads" }
  /** The server is there, and what was missed has been told: say where you stand. */
  | { kind: "online" }
  | { kind: "offline"; problem: Problem; to?: TabId }
  /** An answer to `hello`; what else there is to say follows. */
  | { kind: "here"; to: TabId }
  /** What was missed since the cursor that came with `hello`, and the preferences of now; events follow. */
  | { kind: "greeting"; to: TabId; turn: number; carrier: Carrier; news: SyncAnswer; preferences: Preferences }
  | { kind: "event"; name: EventName; payload: unknown }
  | { kind: "answer"; id: string; data?: unknown; problem?: Problem }
  /** Who presents. */
  | { kind: "stage"; holder: TabId }
  /** It is in the background for too long: you lead. */
  | { kind: "yield"; to: TabId }
  // By the others:
  | { kind: "hello"; turn: number; since: string | undefined; standing: Standing }
  // By any tab:
  | { kind: "ask"; id: string; name: RequestName; args: unknown }
  | { kind: "standing"; standing: Standing }
  | { kind: "bye" }
  | { kind: "closed"; ids: readonly string[] };

export type Received = Message & { from: TabId };

/** A line to the other tabs. */
export class Line {
  readonly id: TabId = crypto.randomUUID();
  readonly #channel: BroadcastChannel;

  constructor(name: string, hear: (message: Received) => void) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Received>) => hear(data);
  }

  tell(message: Message): void {
    this.#channel.postMessage({ ...message, from: this.id });
  }

  close(): void {
    this.tell({ kind: "bye" });
    this.#channel.close();
  }
}
