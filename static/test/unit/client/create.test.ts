// @vitest-environment node
import { expect, test } from "vitest";
import { createNotifier } from "../../../src/client/create.ts";

test("a notifier can be made where there is no browser, and does nothing until it is connected", () => {
  let asked = 0;
  const notifier = createNotifier({ getToken: () => `token ${++asked}`, connect: false });
  expect(notifier.snapshot).toMatchObject({ connection: "offline", items: [], unread: 0, loaded: false });
  expect(asked).toBe(0);
});

test("without a token there is no notifier", () => {
  expect(() => createNotifier({})).toThrow(TypeError);
});
