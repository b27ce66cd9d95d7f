// @vitest-environment node
import { expect, test } from "vitest";

test("a server that renders pages can load what imports the elements", async () => {
  expect(globalThis.HTMLElement).toBeUndefined();
  expect(await import("../../../src/elements/index.ts")).toHaveProperty("NotifierBell");
  expect(await import("../../../src/preferences/index.ts")).toHaveProperty("NotifierPreferences");
});
