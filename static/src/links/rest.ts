import { NotifierError, asProblem } from "../client/errors.ts";
import type { RequestName, Requests } from "../client/protocol.ts";
import { Deadline } from "./deadline.ts";

/** As long as over Socket.IO. */
const ANSWER_TIMEOUT_MS = 10_000;
/** What a browser sends for a page that is being left may have 64 KiB, in all. */
const KEEPALIVE_LENGTH = 16_000;

type Call = readonly [method: "GET" | "POST" | "PATCH", path: string, always?: object];

/**
 * What may be asked here. There is no need of `refresh_token`: the server ends what reads over HTTP together with its
 * token, and the next one comes with a new token.
 */
const CALLS: Readonly<Partial<Record<RequestName, Call>>> = {
  feed: ["GET", "feed"],
  sync: ["GET", "feed/poll", { wait: 0 }],
  mark_read: ["POST", "feed/read"],
  mark_unread: ["POST", "feed/unread"],
  dismiss: ["POST", "feed/dismiss"],
  mark_seen: ["POST", "feed/seen"],
  get_preferences: ["GET", "preferences"],
  set_preferences: ["PATCH", "preferences"],
};

/** The calls of one user, as the requests of a link. */
export class Rest {
  constructor(
    private readonly url: string,
    private token: string,
    private readonly renew: (stale: string) => Promise<string>,
  ) {}

  async request<N extends RequestName>(name: N, args: Requests[N][0]): Promise<Requests[N][1]> {
    const call = CALLS[name];
    if (!call) throw new NotifierError("unknown_event", `There is no ${name} without Socket.IO.`);
    const deadline = new Deadline(ANSWER_TIMEOUT_MS);
    try {
      const response = await this.#withFreshToken(() => this.#call(call, args, deadline.signal));
      return (await response.json()) as Requests[N][1];
    } catch (error) {
      if (deadline.passed) throw new NotifierError("timeout", "The server did not answer in time.");
      const { code, message, retryAfter } = asProblem(error);
      // What was sent may have arrived, although no answer of the server came back.
      throw code === "offline" ? new NotifierError("timeout", message, retryAfter) : error;
    } finally {
      deadline.end();
    }
  }

  /** Rejects with a NotifierError for all but a good answer, or the one that nothing is new. */
  get(path: string, query: object, init: RequestInit): Promise<Response> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    return this.#fetch(`${path}?${new URLSearchParams(given)}`, init);
  }

  #call([method, path, always]: Call, args: object, signal: AbortSignal): Promise<Response> {
    if (method === "GET") return this.get(path, { ...args, ...always }, { signal });
    const body = JSON.stringify(args);
    const headers = { "Content-Type": "application/json" };
    // "Clear all" is carried out while its page is being left.
    return this.#fetch(path, { method, body, headers, signal, keepalive: body.length <= KEEPALIVE_LENGTH });
  }

  /** A call whose token has expired is made once more; what opens a link has an owner who decides. */
  async #withFreshToken(call: () => Promise<Response>): Promise<Response> {
    const { token } = this;
    try {
      return await call();
    } catch (error) {
      if ((error as NotifierError).code !== "expired") throw error;
      this.token = await this.renew(token);
      if (this.token === token) throw error;
      return call();
    }
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
