import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NotifierError } from "../../../src/client/errors.ts";
import { ladder, linkOver } from "../../../src/links/ladder.ts";
import type { Credentials, Link, LinkFactory, LinkListener, Transport } from "../../../src/links/link.ts";
import { entry } from "../builders.ts";

/** One opened link, whose other end is the test. */
class Rung implements Link {
  isOpen = true;
  readonly shown: Credentials[] = [];

  constructor(
    readonly name: Transport,
    private readonly credentials: () => Promise<Credentials>,
    readonly listener: LinkListener,
  ) {}

  open(): void {
    tried.push(this.name);
    this.credentials().then(
      (given) => this.shown.push(given),
      (error) => this.listener.refused(error),
    );
  }

  close(): void {
    this.isOpen = false;
  }

  async request(): Promise<never> {
    throw new NotifierError(`asked ${this.name}`, "");
  }

  refuse(code = "offline", retryAfter?: number): void {
    this.listener.refused(new NotifierError(code, code, retryAfter));
  }

  catchUp(): void {
    this.listener.opened({ transport: this.name, gapless: false });
    this.listener.event("synced", { cursor, counts: { unread: 0, unseen: 0 }, recovered: true });
  }

  bring(seq: number): void {
    this.listener.event("notification", entry(`${seq}@user:42`));
  }
}

let tried: Transport[];
let rungs: Rung[];
/** What the owner of the ladder hears. */
let told: string[];
let cursor: string;
let link: Link;
let given: () => Promise<Credentials>;

function rung(name: Transport): LinkFactory {
  return (_url, credentials, listener) => {
    const made = new Rung(name, credentials, listener);
    rungs.push(made);
    return made;
  };
}

function open(...names: Transport[]): void {
  link = ladder(names.map(rung))("http://server", () => given(), {
    opened: ({ transport }) => told.push(`opened ${transport}`),
    event: (name, payload) => told.push(name === "notification" ? (payload as { id: string }).id : name),
    refused: ({ code }) => told.push(`refused ${code}`),
    closed: (reason) => told.push(`closed ${reason}`),
  });
  link.open();
}

/** The link opened last. */
function last(): Rung {
  return rungs.at(-1)!;
}

/** Blocks the WebSocket and is online over SSE. */
function onSse(): Rung {
  open("websocket", "sse", "poll");
  last().refuse();
  const sse = last();
  sse.catchUp();
  told.length = 0;
  return sse;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
  [tried, rungs, told, cursor] = [[], [], [], "user:42=17"];
  given = async () => ({ token: "token", since: cursor });
});

afterEach(() => {
  link.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("the best that works carries, and is heard when it has caught up", () => {
  open("websocket", "sse", "poll");
  last().listener.opened({ transport: "websocket", gapless: false });
  last().bring(18);
  expect(told).toEqual([]);
  last().listener.event("synced", { cursor, counts: { unread: 0, unseen: 0 }, recovered: true });
  last().bring(19);
  expect([told, tried]).toEqual([["opened websocket", "18@user:42", "synced", "19@user:42"], ["websocket"]]);
});

test("one that never reached a server steps down at once", () => {
  open("websocket", "sse", "poll");
  last().refuse();
  last().refuse();
  last().catchUp();
  expect([tried, told]).toEqual([["websocket", "sse", "poll"], ["opened poll", "synced"]]);
});

test("one that is silent for five seconds steps down and is closed", async () => {
  open("websocket", "sse", "poll");
  await vi.advanceTimersByTimeAsync(4_999);
  expect(tried).toEqual(["websocket"]);
  await vi.advanceTimersByTimeAsync(1);
  expect([tried, rungs[0]!.isOpen]).toEqual([["websocket", "sse"], false]);
});

test("a long replay is no silence", async () => {
  open("websocket", "sse", "poll");
  last().listener.opened({ transport: "websocket", gapless: false });
  for (let seq = 18; seq < 28; seq++) {
    await vi.advanceTimersByTimeAsync(4_000);
    last().bring(seq);
  }
  expect(tried).toEqual(["websocket"]);
});

test("the last one has twenty seconds", async () => {
  open("poll");
  await vi.advanceTimersByTimeAsync(19_999);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual(["refused timeout"]);
});

test("the time an application takes for its token is not the link's", async () => {
  let present!: () => void;
  given = () => new Promise((resolve) => (present = () => resolve({ token: "token" })));
  open("websocket", "sse");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tried).toEqual(["websocket"]);
  present();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(tried).toEqual(["websocket", "sse"]);
});

test.each(["expired", "forbidden", "overloaded", "store_unavailable", "no_token"])(
  "%s is an answer: another way would lead to the same",
  (code) => {
    open("websocket", "sse", "poll");
    last().refuse(code, 7);
    expect([tried, told]).toEqual([["websocket"], [`refused ${code}`]]);
  },
);

test("when all are blocked the owner is told, and the next opening begins with the best", () => {
  open("websocket", "sse");
  last().refuse();
  last().refuse();
  expect(told).toEqual(["refused offline"]);
  link.open();
  expect(tried).toEqual(["websocket", "sse", "websocket"]);
});

test("the rung that worked is the first to be tried again", () => {
  onSse();
  last().listener.closed("cut");
  link.open();
  expect([told, tried]).toEqual([["closed cut"], ["websocket", "sse", "sse"]]);
});

test("a better one is tried again in the background, after growing pauses", async () => {
  const sse = onSse();
  for (const pause of [10_000, 20_000, 40_000]) {
    const before = tried.length;
    await vi.advanceTimersByTimeAsync(pause - 1);
    expect(tried.length).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(tried.slice(before)).toEqual(["websocket"]);
    last().refuse();
  }
  expect([told, sse.isOpen]).toEqual([[], true]);
});

test("from the lowest rung all better ones are tried, the best first", async () => {
  open("websocket", "sse", "poll");
  last().refuse();
  last().refuse();
  last().catchUp();
  await vi.advanceTimersByTimeAsync(10_000);
  last().refuse();
  last().catchUp();
  expect(tried.slice(3)).toEqual(["websocket", "sse"]);
  expect(told).toEqual(["opened poll", "synced", "opened sse", "synced"]);
});

test("a better one takes over from the cursor, with all it has heard, and the old one is closed", async () => {
  const sse = onSse();
  await vi.advanceTimersByTimeAsync(10_000);
  const socket = last();
  expect(socket.shown).toEqual([{ token: "token", since: "user:42=17" }]);
  socket.bring(18);
  sse.bring(18);
  sse.bring(19);
  expect(told).toEqual(["18@user:42", "19@user:42"]);
  socket.catchUp();
  socket.bring(19);
  sse.bring(20);
  expect(told.slice(2)).toEqual(["opened websocket", "18@user:42", "synced", "19@user:42"]);
  expect([sse.isOpen, socket.isOpen]).toEqual([false, true]);
  await expect(link.request("mark_seen", { cursor })).rejects.toMatchObject({ code: "asked websocket" });
});

test("a trial that is refused for good says nothing: the link that carries will find out", async () => {
  onSse();
  await vi.advanceTimersByTimeAsync(10_000);
  last().refuse("expired");
  expect(told).toEqual([]);
});

test("when the carrying link ends, a trial ends with it", async () => {
  const sse = onSse();
  await vi.advanceTimersByTimeAsync(10_000);
  const socket = last();
  sse.listener.closed("cut");
  socket.catchUp();
  expect([told, socket.isOpen]).toEqual([["closed cut"], false]);
});

test("one that ends twice before it was steady steps down; one that was steady does not", async () => {
  open("websocket", "sse");
  for (const held of [30_000, 29_999, 30_000, 29_999, 1]) {
    expect(last().name).toBe("websocket");
    last().catchUp();
    await vi.advanceTimersByTimeAsync(held);
    last().listener.closed("cut");
    link.open();
  }
  expect(last().name).toBe("sse");
});

test("a closed ladder does nothing more and says nothing", async () => {
  const sse = onSse();
  link.close();
  sse.bring(18);
  sse.listener.closed("cut");
  await vi.advanceTimersByTimeAsync(600_000);
  expect([told, tried, sse.isOpen]).toEqual([[], ["websocket", "sse"], false]);
  expect(vi.getTimerCount()).toBe(0);
  await expect(link.request("mark_seen", { cursor })).rejects.toMatchObject({ code: "offline" });
});

test("an owner who closes while it listens hears no more", () => {
  open("websocket");
  const heard: string[] = [];
  const closing = ladder([rung("websocket")])("http://server", given, {
    opened: () => closing.close(),
    event: (name) => heard.push(name),
    refused: () => undefined,
    closed: () => undefined,
  });
  closing.open();
  last().catchUp();
  expect(heard).toEqual([]);
});

test.each([[[]], [["polling"]]])("a list of transports must have some, and only known ones: %j", (names) => {
  expect(() => linkOver(names as Transport[])).toThrow(TypeError);
});
