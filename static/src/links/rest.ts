import { NotifierError } from "../client/errors.ts";
import type { RequestName, Requests } from "../client/protocol.ts";
import { Deadline } from "./deadline.ts";

/** As long as over Socket.IO. */
const ANSWER_TIMEOUT_MS = 10_000;
/** What a browser sends for a page that is being left may have 64 KiB, in all. */
const KEEPALIVE_LENGTH = 16_000;

type Call = readonly [method: "GET" | "POST", path: string];

/**
 * What may be asked here. What reads over HTTP has no holes to `sync`, and no need of `refresh_token`: the server
 * ends it together with its token, and the next one comes with a new token.
 */
const CALLS: Readonly<Partial<Record<RequestName, Call>>> = {
  feed: ["GET", "feed"],
  mark_read: ["POST", "feed/read"],
  mark_unread: ["POST", "feed/unread"],
  dismiss: ["POST", "feed/dismiss"],
  mark_seen: ["POST", "feed/seen"],
};

/** The calls of one user, as the requests of a link. */
export class Rest {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  async request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    const call = CALLS[name];
    if (!call) throw new NotifierError("unknown_event", `There is no ${name} without Socket.IO.`);
    const deadline = new Deadline(ANSWER_TIMEOUT_MS);
    try {
      const response = await this.#call(call, args, deadline.signal);
      return (await response.json()) as Requests[N][1];
    } catch (error) {
      throw deadline.passed ? new NotifierError("timeout", "The server did not answer in time.") : asProblem(error);
    } finally {
      deadline.end();
    }
  }

  /** Rejects with a NotifierError for all but a good answer, or the one that nothing is new. */
  get(path: string, query: object, init: RequestInit): Promise<Response> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    return this.#fetch(`${path}?${new URLSearchParams(given)}`, init);
  }

  #call([method, path]: Call, args: object, signal: AbortSignal): Promise<Response> {
    if (method === "GET") return this.get(path, args, { signal });
    const body = JSON.stringify(args);
    const headers = { "Content-Type": "application/json" };
    // "Clear all" is carried out while its page is being left.
    return this.#fetch(path, { method, body, headers, signal, keepalive: body.length <= KEEPALIVE_LENGTH });
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.token}`, ...init.headers };
    const response = await fetch(`${this.url}/v1/${path}`, { ...init, headers, cache: "no-store" }).catch((error) => {
      throw asProblem(error);
    });
    if (response.ok || response.status === 304) return response;
    throw await refusal(response);
  }
}

/** Whatever went wrong without the server: there is no connection. */
export function asProblem(error: unknown): NotifierError {
  return error instanceof NotifierError ? error : new NotifierError("offline", (error as Error).message);
}

/** A server's problem document. An answer that is none comes from something in between: it is no way to the server. */
async function refusal(response: Response): Promise<NotifierError> {
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return new NotifierError(
    problem.code ?? "offline",
    problem.detail ?? `The answer was ${response.status}.`,
    Number.isNaN(seconds) ? undefined : seconds,
  );
}
