import type { NotifierError } from "../client/errors.ts";
import type { EventName, RequestName, Requests, ServerEvents } from "../client/protocol.ts";

/** The ways to reach the server, the best first: over Socket.IO, Server-Sent Events, long polling. */
export const TRANSPORTS = ["websocket", "sse", "poll"] as const;

export type Transport = (typeof TRANSPORTS)[number];

/** What a connection shows when it opens: who, and how far the reader has got. */
export interface Credentials {
  token: string;
  since?: string;
}

/** Asks for credentials; `stale`: this token was called expired, another is wanted. */
export type Ask = (stale?: string) => Promise<Credentials>;

/** What is to be known of an open link. */
export interface Carrier {
  transport: Transport;
  /** The server itself passes over what is not for this user: a jump in a log is no loss. */
  gapless: boolean;
}

/** What a link tells its owner. */
export interface LinkListener {
  /** The server accepted the connection; a replay and `synced` follow. */
  opened(carrier: Carrier): void;
  event<N extends EventName>(name: N, payload: ServerEvents[N]): void;
  /** The attempt was refused, or never reached a server (`offline`). */
  refused(error: NotifierError): void;
  /** An open connection ended without our doing. */
  closed(reason: string): void;
}

/**
 * One way to reach the server. A link makes one attempt each time it is opened and never retries:
 * when to come back is its owner's decision.
 */
export interface Link {
  open(): void;
  close(): void;
  /** Rejects with a NotifierError; `offline` at once when the link is not open. */
  request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]>;
}

export type LinkFactory = (url: string, credentials: Ask, listener: LinkListener) => Link;
