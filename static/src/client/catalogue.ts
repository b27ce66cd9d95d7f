import type { Priority } from "./protocol.ts";
import type { Tokens } from "./tokens.ts";

/** How notifications of one type look and where they are shown. */
export interface TypeInfo {
  label: string;
  icon: string;
  /** One of `grey blue green orange red purple pink teal`. */
  color: string;
  placement: "top" | "bottom";
  priority: Priority;
  /** `bell`, `toast`, `modal`, `browser`, `push`; null: the priority of each notification decides. */
  display: readonly string[] | null;
  /** False: nobody can switch it off. */
  mutable: boolean;
  /** Whether it may be summed up once an hour or a day. */
  digest: boolean;
}

/** For a type the catalogue does not know: shown plainly rather than not at all. */
export const NEUTRAL: TypeInfo = {
  label: "",
  icon: "info",
  color: "grey",
  placement: "bottom",
  priority: "normal",
  display: null,
  mutable: true,
  digest: true,
};

/** The types this user may receive, fetched once; asked for again after a failure. */
export class Catalogue {
  /** By name; empty until they are here. */
  types: ReadonlyMap<string, TypeInfo> = new Map();
  #request: Promise<void> | undefined;

  constructor(
    private readonly url: string,
    private readonly tokens: Tokens,
    private readonly loaded: () => void,
  ) {}

  info(type: string): TypeInfo {
    return this.types.get(type) ?? NEUTRAL;
  }

  /** Without types notifications look neutral, so a failure is nobody's; the next connection loads again. */
  load(): void {
    this.#request ??= this.#fetch().catch(() => {
      this.#request = undefined;
    });
  }

  async #fetch(): Promise<void> {
    const token = await this.tokens.current();
    const first = await this.#ask(token);
    // A tab that follows has never shown its token to anybody: it may have expired.
    const response = first.status === 401 ? await this.#ask(await this.tokens.insteadOf(token)) : first;
    if (!response.ok) throw new Error(`The type catalogue was answered with ${response.status}.`);
    const { types } = (await response.json()) as { types: Record<string, Partial<TypeInfo>> };
    this.types = new Map(Object.entries(types).map(([name, info]) => [name, { ...NEUTRAL, ...info }]));
    this.loaded();
  }

  #ask(token: string): Promise<Response> {
    return fetch(`${this.url}/v1/types`, { headers: { Authorization: `Bearer ${token}` } });
  }
}
