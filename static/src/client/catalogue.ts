import type { Priority } from "./protocol.ts";

/** How notifications of one type look and where they are shown. */
export interface TypeInfo {
  label: string;
  icon: string;
  /** One of `grey blue green orange red purple pink teal`. */
  color: string;
  placement: "top" | "bottom";
  priority: Priority;
  /** `bell`, `toast`, `modal`, `browser`. */
  display: readonly string[];
  mutable: boolean;
}

export type Catalogue = ReadonlyMap<string, TypeInfo>;

/** For a type the catalogue does not know: shown plainly rather than not at all. */
export const NEUTRAL: TypeInfo = {
  label: "",
  icon: "info",
  color: "grey",
  placement: "bottom",
  priority: "normal",
  display: ["bell", "toast"],
  mutable: true,
};

/** The types this user may receive; throws when the server cannot be reached or refuses. */
export async function fetchCatalogue(url: string, token: string): Promise<Catalogue> {
  const response = await fetch(`${url}/v1/types`, { headers: { Authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`The type catalogue was answered with ${response.status}.`);
  const { types } = (await response.json()) as { types: Record<string, Partial<TypeInfo>> };
  return new Map(Object.entries(types).map(([name, info]) => [name, { ...NEUTRAL, ...info }]));
}
