import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Countdown } from "../../../src/toasts/countdown.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("pauses do not count", () => {
  const done = vi.fn();
  const countdown = new Countdown(6_000, done);
  countdown.run();
  vi.advanceTimersByTime(4_000);
  countdown.pause();
  vi.advanceTimersByTime(60_000);
  countdown.run();
  vi.advanceTimersByTime(1_999);
  expect(done).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(done).toHaveBeenCalledTimes(1);
});

test("running it twice does not make it faster", () => {
  const done = vi.fn();
  const countdown = new Countdown(1_000, done);
  countdown.run();
  vi.advanceTimersByTime(500);
  countdown.run();
  countdown.pause();
  countdown.run();
  vi.advanceTimersByTime(499);
  expect(done).not.toHaveBeenCalled();
});

test("rewound, it has its full time again", () => {
  const done = vi.fn();
  const countdown = new Countdown(1_000, done);
  countdown.run();
  vi.advanceTimersByTime(900);
  countdown.rewind();
  countdown.run();
  vi.advanceTimersByTime(999);
  expect(done).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(done).toHaveBeenCalled();
});
