import { expect, test } from "vitest";
import { Backoff } from "../../../src/client/backoff.ts";

test("the longest wait doubles from one second to half a minute", () => {
  const backoff = new Backoff(() => 1);
  expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test("waits are spread over nearly the whole range, but never nothing", () => {
  expect([new Backoff(() => 0).next(), new Backoff(() => 0.5).next()]).toEqual([100, 550]);
});

test("after a success it begins anew", () => {
  const backoff = new Backoff(() => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(1000);
});

test("a time that the server named is kept, with up to half as much added", () => {
  expect([new Backoff(() => 0).after(4), new Backoff(() => 1).after(4)]).toEqual([4000, 6000]);
});
