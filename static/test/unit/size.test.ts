import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const DIST = join(import.meta.dirname, "../../dist");
/** How minified modules import others: at once, or (with parentheses) when there is a need. */
const IMPORT = /(?:\bfrom|\bimport)\s*"(\.[^"]+)"/g;

/** A module and all that a browser has to load before it can run. */
function needed(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(DIST, file), "utf8");
  for (const [, path] of code.matchAll(IMPORT)) needed(join(dirname(file), path!), found);
  return found;
}

/** What a visitor has to download, compressed, who has loaded `base` before. */
function bytes(file: string, base?: string): number {
  const there = base ? needed(base) : new Set<string>();
  const files = [...needed(file)].filter((name) => !there.has(name));
  return files.reduce((sum, name) => sum + gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length, 0);
}

/** `npm test` builds first. */
test.each([
  ["notifier.mjs", undefined, 26_000],
  ["elements.mjs", "notifier.mjs", 13_000],
  ["preferences.mjs", "elements.mjs", 8_000],
  ["react.mjs", "notifier.mjs", 1_000],
  ["vue.mjs", "notifier.mjs", 1_000],
  ["notifier.min.js", undefined, 60_000], // all of it, in six languages
])("%s is small: on top of %s at most %d bytes, gzipped", (file, base, budget) => {
  const size = bytes(file, base);
  expect(size).toBeLessThanOrEqual(budget);
  expect(size).toBeGreaterThan(budget / 10);
});

test.each(["react", "vue"])("the binding for %s brings no copy of the framework", (name) => {
  const code = readFileSync(join(DIST, `${name}.mjs`), "utf8");
  expect(code.match(/from\s*"([^."][^"]*)"/)?.[1]).toBe(name);
});
