import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../../../src");
/** What makes markup of text. */
const PARSES = /\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment|document\.write|srcdoc|DOMParser|v-html|dangerouslySetInnerHTML)\b/;

test("nothing in the client makes markup of text", () => {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => /\.(ts|tsx|vue)$/.test(name));
  expect(files.length).toBeGreaterThan(40);
  expect(files.filter((name) => PARSES.test(readFileSync(join(SRC, name), "utf8")))).toEqual([]);
});
