import { expect, test } from "vitest";
import ar from "../../../src/locales/ar.ts";
import de from "../../../src/locales/de.ts";
import en from "../../../src/locales/en.ts";
import es from "../../../src/locales/es.ts";
import fr from "../../../src/locales/fr.ts";
import ja from "../../../src/locales/ja.ts";
import { type Messages, counted, fill } from "../../../src/locales/messages.ts";

const LOCALES: readonly Messages[] = [en, de, es, fr, ja, ar];
const COUNTED = ["bellUnread", "group", "groupOf", "summary", "more"] as const;

/** Every text of a locale by its path; the forms of one text are one path. */
function texts(value: unknown, path = ""): [string, string[]][] {
  if (typeof value === "string") return [[path, [value]]];
  const entries = Object.entries(value as object);
  if (COUNTED.some((name) => path === name)) return [[path, entries.map(([, form]) => form as string)]];
  return entries.flatMap(([name, inner]) => texts(inner, path ? `${path}.${name}` : name));
}

function placeholders(forms: readonly string[]): string[] {
  return [...new Set(forms.flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();
}

const names = LOCALES.map((locale) => [locale.language, locale] as const);

test.each(names)("%s has every message", (_, locale) => {
  const said = texts(locale).filter(([path, forms]) => forms.every(Boolean) || path.startsWith("priority."));
  expect(said.map(([path]) => path).sort()).toEqual(texts(en).map(([path]) => path).sort());
});

test.each(names)("%s has exactly the plural forms that its language has", (language, locale) => {
  const forms = [...new Intl.PluralRules(language).resolvedOptions().pluralCategories].sort();
  for (const name of COUNTED) expect([name, Object.keys(locale[name]).sort()]).toEqual([name, forms]);
});

test.each(names)("%s fills in what English fills in", (_, locale) => {
  const english = new Map(texts(en));
  for (const [path, forms] of texts(locale)) expect([path, placeholders(forms)]).toEqual([path, placeholders(english.get(path)!)]);
});

test.each(names)("%s calls the bell by the number that is seen on it", (_, locale) => {
  for (const form of Object.values(locale.bellUnread)) expect(form).toContain("{count}");
});

test("Arabic counts in six forms", () => {
  const said = [0, 1, 2, 3, 11, 100].map((count) => counted(ar, ar.summary, count));
  expect(new Set(said).size).toBe(6);
});

test("a number is written as the language writes it, and can be given in other words", () => {
  expect(counted(de, de.summary, 1234)).toBe("1.234 neue Benachrichtigungen");
  expect(counted(en, en.bellUnread, 100, { count: "99+" })).toBe("Notifications, 99+ unread");
});

test("an unknown word in braces stays", () => expect(fill("{a} {b}", { a: "1" })).toBe("1 {b}"));
