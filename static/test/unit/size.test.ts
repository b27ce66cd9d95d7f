import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

/** What a visitor has to download; `npm test` builds first. */
test.each([
  ["notifier.mjs", 25_000],
  ["elements.mjs", 12_000],
])("%s is at most %d bytes, gzipped", (file, budget) => {
  const built = readFileSync(join(import.meta.dirname, "../../dist", file));
  expect(gzipSync(built, { level: 9 }).length).toBeLessThanOrEqual(budget);
});
