import type { Manager, Socket } from "socket.io-client";
import { linkOver } from "../links/ladder.ts";
import { TRANSPORTS, type Transport } from "../links/link.ts";
import { givenLink, socketOf } from "../links/socketio.ts";
import { joinTabs } from "../tabs/shared.ts";
import { ALONE } from "../tabs/tabs.ts";
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
  /**
   * A Socket.IO socket of the namespace `/notifications` that the application has, or the manager to make it from:
   * the only way to the server then. Without `token` and `getToken`, the token is that of the socket's `auth`.
   */
  socket?: Socket | Manager;
  /**
   * False: this tab has a connection and toasts of its own. Otherwise all tabs of a user share one connection, where
   * the browser has Web Locks and BroadcastChannel.
   */
  tabs?: boolean;
  /** False: nothing happens before `connect()` is called. So it can be made where there is no browser. */
  connect?: boolean;
}

/**
 * Makes the client of one user and connects it, unless told not to. Throws a TypeError without a token, or for a
 * socket of another namespace.
 */
export function createNotifier(options: NotifierOptions): Notifier {
  const socket = options.socket && socketOf(options.socket);
  const tokens = options.getToken ?? options.token ?? (socket && tokenOf(socket));
  if (!tokens) throw new TypeError("createNotifier needs token or getToken.");
  const url = (options.url ?? originOf(socket) ?? "").replace(/\/+$/, "");
  const link = socket ? givenLink(socket) : linkOver(options.transports ?? TRANSPORTS);
  const notifier = new Notifier(url, tokens, link, options.tabs === false ? ALONE : joinTabs);
  if (options.connect ?? true) notifier.connect();
  return notifier;
}

/** Where the socket leads, or else where the page came from. */
function originOf(socket: Socket | undefined): string | undefined {
  const page = globalThis.location?.origin;
  const { uri } = (socket?.io ?? {}) as { uri?: string };
  return uri ? new URL(uri, page).origin : page;
}

/** The token that the application presents with its socket. */
function tokenOf({ auth }: Socket): TokenSource | undefined {
  if (!auth) return undefined;
  return async () => {
    const presented = await new Promise<{ token?: string }>((resolve) => {
      if (typeof auth === "function") auth(resolve);
      else resolve(auth);
    });
    if (!presented.token) throw new Error("The socket's auth has no token.");
    return presented.token;
  };
}
