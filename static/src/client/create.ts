import { linkOver } from "../links/ladder.ts";
import { TRANSPORTS, type Transport } from "../links/link.ts";
import { Notifier } from "./notifier.ts";
import type { TokenSource } from "./tokens.ts";

export interface NotifierOptions {
  /** Where the server is, without a path: `https://notify.example.com`. Absent: where the page came from. */
  url?: string;
  /** The user's token. Use `getToken` where tokens expire before the page is closed. */
  token?: string;
  /** Fetches the user's token; called when one is needed, and again when the server calls it expired. */
  getToken?: () => string | Promise<string>;
  /**
   * The ways to reach the server, the best first; all of them, unless some are left out. Where one does not work
   * the next carries the connection, until a better one does again.
   */
  transports?: readonly Transport[];
  /** False: nothing happens before `connect()` is called. So it can be made where there is no browser. */
  connect?: boolean;
}

/** Makes the client of one user and connects it, unless told not to. Throws a TypeError without a token. */
export function createNotifier(options: NotifierOptions): Notifier {
  const tokens: TokenSource | undefined = options.getToken ?? options.token;
  if (!tokens) throw new TypeError("createNotifier needs token or getToken.");
  const url = (options.url ?? globalThis.location?.origin ?? "").replace(/\/+$/, "");
  const notifier = new Notifier(url, tokens, linkOver(options.transports ?? TRANSPORTS));
  if (options.connect ?? true) notifier.connect();
  return notifier;
}
