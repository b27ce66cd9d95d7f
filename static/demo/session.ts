import { type Notifier, type Transport, createNotifier } from "@notifier/client";

export const TRANSPORT_NAMES: Readonly<Record<Transport, string>> = { websocket: "WebSocket", sse: "SSE", poll: "Polling" };

/** What the server's demo endpoint says about a demo user. */
interface Session {
  user: string;
  name: string;
  token: string;
  expires_in: number;
}

/** A notification as an application publishes it. */
export interface Draft {
  to: string | string[];
  title: string;
  type?: string;
  priority?: string;
  body?: string;
  url?: string;
  sender?: { id: string; name: string; avatar?: string };
  actions?: { label: string; url: string }[];
  collapse_key?: string;
  deliver_at?: string;
}

/** What the server says to a published notification. */
export interface Published {
  id: string;
  entries?: { id: string }[];
  /** When it will be delivered, if not now. */
  deliver_at?: string;
}

/** Why a user does, or does not, see an entry: every rule, and what came of it on each channel. */
export interface Explanation {
  shown: boolean;
  rules: { rule: string; passed: boolean; reason: string }[];
  channels: Record<string, { allowed: boolean; reason: string }>;
}

/** One demo user: a client of their own, and the right to publish. */
export class Person {
  private constructor(
    readonly id: string,
    readonly name: string,
    private token: string,
    readonly notifier: Notifier,
  ) {}

  static async arrive(user: string): Promise<Person> {
    const { name, token } = await fetchSession(user);
    const getToken = async () => (await fetchSession(user)).token;
    return new Person(user, name, token, createNotifier({ getToken }));
  }

  get avatar(): string {
    return avatarOf(this.id);
  }

  /** Publishes in this person's name; throws an Error with a sentence for the page. */
  publish(draft: Draft): Promise<Published> {
    return this.#call("POST", "/v1/notifications", draft);
  }

  /** Takes back what was published, or is still to be delivered. */
  cancel(id: string): Promise<void> {
    return this.#call("DELETE", `/v1/notifications/${encodeURIComponent(id)}`);
  }

  /** Asks the server why this user does or does not see this entry. Admins may. */
  explain(entry: string, user: string): Promise<Explanation> {
    return this.#call("GET", `/v1/admin/explain?${new URLSearchParams({ entry, user })}`);
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response = await this.#fetch(method, path, body);
    if (response.status === 401) {
      this.token = (await fetchSession(this.id)).token;
      response = await this.#fetch(method, path, body);
    }
    const answer = response.status === 204 ? undefined : await response.json().catch(() => ({}));
    if (response.ok) return answer as T;
    const problem = answer as { detail?: string; title?: string };
    throw new Error(problem.detail ?? problem.title ?? `The server answered ${response.status}.`);
  }

  #fetch(method: string, path: string, body: unknown): Promise<Response> {
    return fetch(path, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  }
}

export function avatarOf(user: string): string {
  return `/demo/${user}.svg`;
}

async function fetchSession(user: string): Promise<Session> {
  const response = await fetch(`/demo/session?user=${encodeURIComponent(user)}`);
  if (!response.ok) throw new Error(`There is no demo user “${user}”.`);
  return (await response.json()) as Session;
}
