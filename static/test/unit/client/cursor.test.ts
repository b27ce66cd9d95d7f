import { describe, expect, test } from "vitest";
import { advance, formatCursor, parseCursor, parsePosition, precedes, reaches } from "../../../src/client/cursor.ts";

describe("an entry id", () => {
  test("is split at its first @, so that an audience may hold one", () => {
    expect(parsePosition("17@user:ada@example.com")).toEqual({ audience: "user:ada@example.com", seq: 17 });
  });

  test.each(["", "17", "@user:42", "17@", "x@user:42", "-1@user:42"])("%j is none", (id) => {
    expect(parsePosition(id)).toBeUndefined();
  });
});

describe("a cursor's text", () => {
  test("is split at each pair's last = and decoded", () => {
    expect(parseCursor("everyone=5;topic:a%3Db=17")).toEqual(new Map([["everyone", 5], ["topic:a=b", 17]]));
  });

  test("keeps : and @ as they are and encodes what would break it", () => {
    expect(formatCursor(new Map([["user:a@b.c", 1], ["topic:x=1;y é", 2]]))).toBe(
      "topic:x%3D1%3By%20%C3%A9=2;user:a@b.c=1",
    );
  });

  test("comes back the same after reading and writing", () => {
    const text = "everyone=1795363200000;role:admin=0;user:42=17";
    expect(formatCursor(parseCursor(text))).toBe(text);
  });

  test("leaves out pairs that are none", () => {
    expect(parseCursor("=5;everyone=;user:42=x;;topic:a=1")).toEqual(new Map([["topic:a", 1]]));
  });
});

describe("a reader's place", () => {
  const cursor = parseCursor("user:42=17");

  test("reaches what lies at or before it", () => {
    expect([16, 17, 18].map((seq) => reaches(cursor, { audience: "user:42", seq }))).toEqual([true, true, false]);
  });

  test("is followed only by the next entry of the same log", () => {
    expect([17, 18, 19].map((seq) => precedes(cursor, { audience: "user:42", seq }))).toEqual([false, true, false]);
    expect(precedes(cursor, { audience: "everyone", seq: 18 })).toBe(false);
  });

  test("in an empty log is followed by an entry at a full hour: logs begin there", () => {
    const empty = parseCursor("everyone=0");
    const follows = (seq: number) => precedes(empty, { audience: "everyone", seq });
    expect([1795363200000, 1795363200001, 1].map(follows)).toEqual([true, false, false]);
  });

  test("never moves back", () => {
    expect(advance(cursor, { audience: "user:42", seq: 3 })).toBe(cursor);
    expect(advance(cursor, { audience: "user:42", seq: 30 }).get("user:42")).toBe(30);
  });
});
