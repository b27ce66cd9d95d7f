import { en } from "../locales/en-elements.ts";
import type { Messages } from "../locales/messages.ts";

type Module = { default: Messages };

/** The languages the elements speak besides English; each is loaded when a page asks for it. */
const LOADERS: Readonly<Record<string, () => Promise<Module>>> = {
  ar: () => import("../locales/ar.ts"),
  de: () => import("../locales/de.ts"),
  es: () => import("../locales/es.ts"),
  fr: () => import("../locales/fr.ts"),
  ja: () => import("../locales/ja.ts"),
};

const loaded = new Map<string, Messages>();

/** The nearest `lang` around an element, also outside of the shadow trees it is in; English when there is none. */
export function languageOf(element: Element): string {
  const near = element.closest<HTMLElement>("[lang]")?.lang;
  const { host } = element.getRootNode() as ShadowRoot;
  return near || (host ? languageOf(host) : "en");
}

/** The messages of a language, when they are here: English always is, and speaks for languages that are not known. */
export function known(language: string): Messages | undefined {
  const name = primary(language);
  return name in LOADERS ? loaded.get(name) : en;
}

/** Brings the messages of a language; English when they cannot be had now. */
export async function load(language: string): Promise<Messages> {
  const name = primary(language);
  const module = await LOADERS[name]?.().catch(() => undefined);
  if (module) loaded.set(name, module.default);
  return module?.default ?? en;
}

function primary(language: string): string {
  return language.toLowerCase().split("-", 1)[0] ?? "";
}
