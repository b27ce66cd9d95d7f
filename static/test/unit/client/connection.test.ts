import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection, type ConnectionState } from "../../../src/client/connection.ts";
import { NotifierError } from "../../../src/client/errors.ts";
import { type TokenSource, Tokens } from "../../../src/client/tokens.ts";
import { SOCKET, Script, settle } from "../script.ts";

let script: Script;
let states: ConnectionState[];

beforeEach(() => {
  vi.useFakeTimers();
  script = new Script();
  states = [];
});

afterEach(() => vi.useRealTimers());

function connect(source: TokenSource = "token"): Connection {
  const connection = new Connection("http://server", script.factory, new Tokens(source), () => undefined, {
    changed: (state) => states.push(state),
    opened: () => undefined,
    event: () => undefined,
    closed: () => undefined,
  });
  connection.connect();
  return connection;
}

function refuse(code: string, retryAfter?: number): void {
  script.listener.refused(new NotifierError(code, code, retryAfter));
}

test("it is online only after the replay", async () => {
  const connection = connect();
  await settle();
  script.listener.opened(SOCKET);
  expect(connection.state).toBe("connecting");
  await script.online("");
  expect(states).toEqual(["connecting", "online"]);
});

test("a lost connection is tried again, later and later, for as long as it takes", async () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  connect();
  await script.online("");
  script.drop();
  for (const wait of [1000, 2000, 4000]) {
    const before = script.attempts;
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(script.attempts).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(script.attempts).toBe(before + 1);
    refuse("offline");
  }
});

test("a goodbye says when to return", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  connect();
  await script.online("");
  script.send("goodbye", { reason: "deploy", reconnect_after: 7 });
  script.drop();
  await vi.advanceTimersByTimeAsync(6_999);
  expect(script.attempts).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(script.attempts).toBe(2);
  await script.online("");
  script.drop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(script.attempts).toBe(3);
});

test("a server without room is left alone for as long as it asks", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  connect();
  refuse("overloaded", 20);
  await vi.advanceTimersByTimeAsync(19_999);
  expect(script.attempts).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(script.attempts).toBe(2);
});

test("a browser that gets its network back tries at once", async () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  connect();
  refuse("offline");
  window.dispatchEvent(new Event("online"));
  expect(script.attempts).toBe(2);
});

test.each(["expired", "unauthenticated"])("after %s one new token is tried, then it is over", async (code) => {
  const source = vi.fn().mockResolvedValueOnce("old").mockResolvedValueOnce("new");
  const connection = connect(source);
  await settle();
  refuse(code);
  await settle();
  expect(script.opened).toEqual([{ token: "old" }, { token: "new" }]);
  refuse(code);
  await vi.advanceTimersByTimeAsync(120_000);
  expect([connection.state, script.attempts]).toEqual(["unauthenticated", 2]);
});

test("an outage may last longer than several tokens", async () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const source = vi.fn().mockResolvedValueOnce("first").mockResolvedValueOnce("second").mockResolvedValueOnce("third");
  const connection = connect(source);
  await settle();
  for (const code of ["expired", "store_unavailable", "expired"]) {
    refuse(code);
    await vi.advanceTimersByTimeAsync(120_000);
  }
  expect(script.opened.at(-1)).toEqual({ token: "third" });
  expect(connection.state).not.toBe("unauthenticated");
});

test("after a sign-in the application connects with a token that was not refused", async () => {
  const source = vi.fn().mockResolvedValueOnce("old").mockResolvedValueOnce("new").mockResolvedValueOnce("signed-in");
  const connection = connect(source);
  refuse("expired");
  refuse("expired");
  connection.connect();
  await settle();
  expect(script.opened.at(-1)).toEqual({ token: "signed-in" });
});

test("a fixed token that is refused is not tried again until the application connects", async () => {
  const connection = connect("fixed");
  refuse("expired");
  await vi.advanceTimersByTimeAsync(120_000);
  expect([connection.state, script.attempts]).toEqual(["unauthenticated", 1]);
  connection.connect();
  expect([connection.state, script.attempts]).toEqual(["connecting", 2]);
});

test("a token about to expire is replaced on the open connection", async () => {
  connect(vi.fn().mockResolvedValueOnce("old").mockResolvedValueOnce("new"));
  await script.online("");
  script.send("auth_expiring", { expires_in: 30 });
  await settle();
  expect(script.next("refresh_token").args).toEqual({ token: "new" });
  expect(script.attempts).toBe(1);
});

test("a token about to expire is not sent again", async () => {
  const source = vi.fn().mockResolvedValue("the same");
  connect(source);
  await script.online("");
  script.send("auth_expiring", { expires_in: 30 });
  await settle();
  expect(source).toHaveBeenCalledTimes(2);
  expect(script.names()).not.toContain("refresh_token");
});

test("a disconnected client stays away, and comes back when told", async () => {
  const connection = connect();
  await script.online("");
  connection.disconnect();
  await vi.advanceTimersByTimeAsync(120_000);
  window.dispatchEvent(new Event("online"));
  expect([connection.state, script.attempts]).toEqual(["offline", 1]);
  connection.connect();
  expect(script.attempts).toBe(2);
});

test.each(["expired", "revoked"])("after a goodbye that says %s the next attempt has a new token", async (reason) => {
  const source = vi.fn().mockResolvedValueOnce("old").mockResolvedValueOnce("new");
  connect(source);
  await script.online("");
  script.send("goodbye", { reason, reconnect_after: 0 });
  script.drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(script.opened).toEqual([{ token: "old" }, { token: "new" }]);
});

test("it tells what carries it, while it is online", async () => {
  const connection = connect();
  await script.online("");
  expect(connection.transport).toBe("websocket");
  script.drop();
  expect(connection.transport).toBe(undefined);
});

test("other links go on at once, with the same credentials, and the old one is closed", async () => {
  const connection = connect();
  await script.online("");
  const other = new Script();
  connection.use(other.factory);
  await settle();
  expect([script.isOpen, other.opened, connection.state]).toEqual([false, [{ token: "token" }], "connecting"]);
  await other.online("");
  expect(connection.state).toBe("online");
});

test("other links wait while the application is disconnected", async () => {
  const connection = connect();
  connection.disconnect();
  const other = new Script();
  connection.use(other.factory);
  expect(other.attempts).toBe(0);
  connection.connect();
  expect(other.attempts).toBe(1);
});
