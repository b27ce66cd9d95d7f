/** A link whose other end is the test: it records requests and answers them when the test says so. */
import { NotifierError } from "../../src/client/errors.ts";
import { Notifier } from "../../src/client/notifier.ts";
import { DEFAULT_PREFERENCES } from "../../src/client/preferences.ts";
import type { RequestName, ServerEvents } from "../../src/client/protocol.ts";
import type { TokenSource } from "../../src/client/tokens.ts";
import type { JoinTabs } from "../../src/tabs/tabs.ts";
import type { Carrier, Credentials, Link, LinkFactory, LinkListener } from "../../src/links/link.ts";

export const SOCKET: Carrier = { transport: "websocket", gapless: false };
export const STREAM: Carrier = { transport: "sse", gapless: true };

interface Asked {
  name: RequestName;
  args: unknown;
  answer(data: unknown): Promise<void>;
  refuse(code: string): Promise<void>;
}

export class Script {
  readonly opened: Credentials[] = [];
  readonly asked: Asked[] = [];
  listener!: LinkListener;
  attempts = 0;
  isOpen = false;

  readonly factory: LinkFactory = (_url, credentials, listener) => {
    this.listener = listener;
    const link: Link = {
      open: () => {
        this.attempts++;
        credentials().then(
          (given) => this.opened.push(given),
          () => listener.refused(new NotifierError("offline", "no credentials")),
        );
      },
      close: () => (this.isOpen = false),
      request: (name, args) => this.#record(name, args) as never,
    };
    return link;
  };

  notifier(token: TokenSource = "token", joinTabs?: JoinTabs): Notifier {
    const notifier = new Notifier("http://server", token, this.factory, joinTabs);
    notifier.connect();
    return notifier;
  }

  /** The server accepts the connection and says that the replay is over. */
  async online(cursor: string, fields: Partial<ServerEvents["synced"]> = {}, carrier = SOCKET): Promise<void> {
    await settle();
    this.isOpen = true;
    this.listener.opened(carrier);
    const usual = { counts: { unread: 0, unseen: 0 }, recovered: true, preferences: DEFAULT_PREFERENCES };
    this.send("synced", { cursor, ...usual, ...fields });
    await settle();
  }

  send<N extends keyof ServerEvents>(name: N, payload: ServerEvents[N]): void {
    this.listener.event(name, payload);
  }

  drop(): void {
    this.isOpen = false;
    this.listener.closed("transport close");
  }

  /** The oldest request of this name that is not answered yet. */
  next(name: RequestName): Asked {
    const index = this.asked.findIndex((asked) => asked.name === name);
    if (index < 0) throw new Error(`No ${name} was asked; only ${this.asked.map((asked) => asked.name)}.`);
    return this.asked.splice(index, 1)[0]!;
  }

  names(): RequestName[] {
    return this.asked.map((asked) => asked.name);
  }

  #record(name: RequestName, args: unknown): Promise<unknown> {
    if (!this.isOpen) return Promise.reject(new NotifierError("offline", "There is no connection."));
    return new Promise((resolve, reject) => {
      this.asked.push({
        name,
        args,
        answer: (data) => (resolve(data), settle()),
        refuse: (code) => (reject(new NotifierError(code, code)), settle()),
      });
    });
  }
}

/** Lets every promise that can go on do so; no timer is involved. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}
