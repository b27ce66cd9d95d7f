import { afterEach, expect, test, vi } from "vitest";
import { userOf } from "../../../src/tabs/user.ts";

function token(claims: object): string {
  return `head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
}

afterEach(() => vi.unstubAllGlobals());

test.each(["42", "zoë ÿ?>", "a/b+c"])("a token's own word tells whose it is: %s", (sub) => {
  vi.stubGlobal("navigator", { locks: {} });
  expect(userOf(token({ sub }))).toBe(sub);
});

test("what is no such token tells nobody", () => {
  vi.stubGlobal("navigator", { locks: {} });
  expect(["opaque", "a.b.c", "", token({ sub: 7 }), token({})].map(userOf)).toEqual(Array(5).fill(undefined));
});

test("without locks or channels tabs cannot find each other", () => {
  vi.stubGlobal("navigator", {});
  expect(userOf(token({ sub: "42" }))).toBeUndefined();
  vi.stubGlobal("navigator", { locks: {} });
  vi.stubGlobal("BroadcastChannel", undefined);
  expect(userOf(token({ sub: "42" }))).toBeUndefined();
});
