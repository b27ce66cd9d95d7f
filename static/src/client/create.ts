import { type Transport, socketioLink } from "../links/socketio.ts";
import { Notifier } from "./notifier.ts";
import type { TokenSource } from "./tokens.ts";

export interface NotifierOptions {
  /** Where the server is, without a path: `https://notify.example.com`. Absent: where the page came from. */
  url?: string;
  /** The user's token. Use `getToken` where tokens expire before the page is closed. */
  token?: string;
  /** Fetches the user's token; called when one is needed, and again when the server calls it expired. */
  getToken?: () => string | Promise<string>;
  /** Socket.IO transports, in the order in which they are tried. */
  transports?: readonly Transport[];
}

/** Makes the client of one user and connects it. Throws a TypeError without a token. */
export function createNotifier(options: NotifierOptions): Notifier {
  const tokens: TokenSource | undefined = options.getToken ?? options.token;
  if (!tokens) throw new TypeError("createNotifier needs token or getToken.");
  const url = (options.url ?? location.origin).replace(/\/+$/, "");
  return new Notifier(url, tokens, socketioLink(options.transports ?? ["websocket", "polling"]));
}
