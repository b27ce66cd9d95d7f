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
  sender?: { id: string; name: string; avatar: string };
  actions?: { label: string; url: string }[];
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
  async publish(draft: Draft): Promise<void> {
    let response = await this.#post(draft);
    if (response.status === 401) {
      this.token = (await fetchSession(this.id)).token;
      response = await this.#post(draft);
    }
    if (response.ok) return;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
    throw new Error(problem.detail ?? problem.title ?? `The server answered ${response.status}.`);
  }

  #post(draft: Draft): Promise<Response> {
    return fetch("/v1/notifications", {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      body: JSON.stringify(draft),
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
