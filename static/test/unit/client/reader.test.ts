import { beforeEach, expect, test } from "vitest";
import { type Cursor, advance, parseCursor } from "../../../src/client/cursor.ts";
import { type LogEvent, Reader } from "../../../src/client/reader.ts";
import { entry } from "../builders.ts";
import { settle } from "../script.ts";

let cursor: Cursor;
let taken: string[];
let syncs: { resolve: (cursor: string) => void; reject: () => void }[];
let broken: number;
let reader: Reader;

beforeEach(() => {
  cursor = parseCursor("user:42=17");
  [taken, syncs, broken] = [[], [], 0];
  reader = new Reader({
    cursor: () => cursor,
    take: (event, position) => {
      if (position) cursor = advance(cursor, position);
      taken.push(describeEvent(event));
    },
    sync: () =>
      new Promise((resolve, reject) => {
        const answer = (cursor: string) => resolve({ items: [], cursor, unread: 0, unseen: 0, recovered: true });
        syncs.push({ resolve: answer, reject: () => reject(new Error("no answer")) });
      }),
    fill: (answer) => (cursor = parseCursor(answer.cursor)),
    broken: () => broken++,
  });
});

function describeEvent(event: LogEvent): string {
  return event.name === "notification" ? event.payload.id : event.name;
}

function arrive(seq: number): void {
  reader.accept({ name: "notification", payload: entry(`${seq}@user:42`) });
}

test("the next entry is taken, one that is had already is dropped", () => {
  arrive(18);
  arrive(18);
  arrive(17);
  expect(taken).toEqual(["18@user:42"]);
});

test("during a replay jumps are taken as they come, and what is had is still dropped", () => {
  reader.replay();
  [20, 25, 20].forEach(arrive);
  expect([taken, syncs.length]).toEqual([["20@user:42", "25@user:42"], 0]);
});

test("a jump while live is asked about first; the answer covers it", async () => {
  arrive(20);
  expect([taken, syncs.length]).toEqual([[], 1]);
  syncs[0]!.resolve("user:42=20");
  await settle();
  expect([taken, cursor.get("user:42")]).toEqual([[], 20]);
});

test("events wait in line while a sync runs, and only one runs", async () => {
  [20, 21, 22].forEach(arrive);
  reader.accept({ name: "state", payload: {} });
  expect([taken, syncs.length]).toEqual([[], 1]);
  syncs[0]!.resolve("user:42=20");
  await settle();
  expect(taken).toEqual(["21@user:42", "22@user:42", "state"]);
});

test("a hole behind the answer is asked about again", async () => {
  [20, 25].forEach(arrive);
  syncs[0]!.resolve("user:42=20");
  await settle();
  expect(syncs.length).toBe(2);
  syncs[1]!.resolve("user:42=25");
  await settle();
  expect([taken, cursor.get("user:42")]).toEqual([[], 25]);
});

test("a sync that does not move the cursor says that the hole is empty: no endless asking", async () => {
  arrive(20);
  syncs[0]!.resolve("user:42=17");
  await settle();
  expect([taken, syncs.length]).toEqual([["20@user:42"], 1]);
});

test("a sync that fails breaks the connection, once", async () => {
  [20, 21].forEach(arrive);
  syncs[0]!.reject();
  await settle();
  expect([broken, taken]).toEqual([1, []]);
});

test("an answer that comes after a new connection began is nobody's any more", async () => {
  arrive(20);
  reader.replay();
  arrive(18);
  syncs[0]!.reject();
  await settle();
  expect([taken, broken]).toEqual([["18@user:42"], 0]);
});

test("an answer from before another link opened does not move the cursor back", async () => {
  arrive(20);
  reader.replay();
  arrive(25);
  syncs[0]!.resolve("user:42=20");
  await settle();
  expect([taken, cursor.get("user:42")]).toEqual([["25@user:42"], 25]);
});

test("a removal moves the cursor like an entry when it has a place, and always takes effect", () => {
  reader.accept({ name: "removed", payload: { ids: [], id: "18@user:42" } });
  reader.accept({ name: "removed", payload: { ids: ["3@user:42"], id: "18@user:42" } });
  reader.accept({ name: "removed", payload: { ids: ["3@user:42"] } });
  expect([taken.length, cursor.get("user:42")]).toEqual([3, 18]);
});
