import { expect, test, vi } from "vitest";
import { Tokens } from "../../../src/client/tokens.ts";

test("a fetched token is remembered until it is forgotten", async () => {
  const source = vi.fn().mockResolvedValueOnce("one").mockResolvedValueOnce("two");
  const tokens = new Tokens(source);
  expect([await tokens.current(), await tokens.current()]).toEqual(["one", "one"]);
  tokens.forget();
  expect(await tokens.current()).toBe("two");
});

test("two who ask at once cause one fetch", async () => {
  const source = vi.fn().mockResolvedValue("one");
  const tokens = new Tokens(source);
  await Promise.all([tokens.current(), tokens.current()]);
  expect(source).toHaveBeenCalledTimes(1);
});

test.each([
  ["rejects", () => Promise.reject(new Error("down"))],
  ["throws", () => { throw new Error("down"); }],
])("a source that %s is asked again the next time", async (_, failing) => {
  const source = vi.fn<() => Promise<string>>().mockImplementationOnce(failing).mockResolvedValueOnce("late");
  const tokens = new Tokens(source);
  await expect(tokens.current()).rejects.toThrow("down");
  expect(await tokens.current()).toBe("late");
});

test("only a function can be asked for another token", () => {
  expect([new Tokens("fixed").renewable, new Tokens(() => "new").renewable]).toEqual([false, true]);
});
