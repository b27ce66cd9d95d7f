import { expect, test } from "vitest";
import { lazyLink } from "../../../src/links/lazy.ts";
import type { LinkFactory } from "../../../src/links/link.ts";
import { Script, settle } from "../script.ts";

const refused: string[] = [];

function open(load: () => Promise<LinkFactory>) {
  return lazyLink(load)("http://server", async () => ({ token: "t" }), {
    opened: () => undefined,
    event: () => undefined,
    refused: ({ code }) => refused.push(code),
    closed: () => undefined,
  });
}

test("it is fetched when it is opened, and is the link that was fetched", async () => {
  const script = new Script();
  let loads = 0;
  const link = open(async () => (loads++, script.factory));
  expect(loads).toBe(0);
  await expect(link.request("feed", { limit: 1 })).rejects.toMatchObject({ code: "offline" });
  link.open();
  await settle();
  script.isOpen = true;
  void link.request("feed", { limit: 1 });
  expect([script.attempts, script.names()]).toEqual([1, ["feed"]]);
});

test("closed before it is here it stays closed", async () => {
  const script = new Script();
  const link = open(async () => script.factory);
  link.open();
  link.close();
  await settle();
  expect(script.attempts).toBe(0);
});

test("what cannot be fetched is no way to the server, until it can", async () => {
  const script = new Script();
  let isThere = false;
  const link = open(async () => {
    if (!isThere) throw new TypeError("gone");
    return script.factory;
  });
  link.open();
  await settle();
  expect(refused).toEqual(["offline"]);
  isThere = true;
  link.open();
  await settle();
  expect(script.attempts).toBe(1);
});
