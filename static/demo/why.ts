import { make, press } from "./dom.ts";
import type { Explanation, Person, Published } from "./session.ts";

const CHANNELS: Readonly<Record<string, string>> = { bell: "Bell", toast: "Toast", browser: "Desktop", push: "Push" };

/** "Why did Grace get this, and why not as a toast?": the server's own account, rule by rule. */
export class Why {
  readonly element = make("div", "why");

  constructor(
    private readonly admin: Person,
    private readonly users: readonly { id: string; name: string }[],
  ) {}

  /** Offers to explain what was just published. */
  offer({ entries = [] }: Published): void {
    const [entry] = entries;
    this.element.replaceChildren();
    if (!entry) return;
    const addressee = entry.id.slice(entry.id.indexOf("@") + 1);
    const users = this.users.filter(({ id }) => !addressee.startsWith("user:") || addressee === `user:${id}`);
    const buttons = users.map(({ id, name }) => press(`Why ${name}?`, "ask", () => void this.#ask(entry.id, id, name)));
    this.element.append(make("div", "questions", ...buttons), make("div", "answer"));
  }

  async #ask(entry: string, user: string, name: string): Promise<void> {
    const answer = this.element.querySelector(".answer")!;
    try {
      answer.replaceChildren(...account(await this.admin.explain(entry, user), name));
    } catch (error) {
      answer.replaceChildren(make("p", "", (error as Error).message));
    }
  }
}

function account({ shown, rules, channels }: Explanation, name: string): HTMLElement[] {
  const verdict = make("p", "verdict", shown ? `${name} sees it` : `${name} does not see it`);
  const list = make("ol", "rules");
  for (const { rule, passed, reason } of rules) list.append(line(passed, rule.replaceAll("_", " "), reason));
  const where = make("ul", "rules");
  for (const [channel, { allowed, reason }] of Object.entries(channels)) {
    where.append(line(allowed, CHANNELS[channel] ?? channel, reason));
  }
  return [verdict, list, where];
}

function line(good: boolean, what: string, reason: string): HTMLElement {
  const mark = make("i", "", good ? "✓" : "✗");
  mark.setAttribute("aria-label", good ? "yes" : "no");
  mark.setAttribute("role", "img");
  return make("li", good ? "yes" : "no", mark, make("strong", "", what), make("span", "", reason));
}
