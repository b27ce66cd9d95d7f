import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DEFAULT_PREFERENCES } from "../../../src/client/preferences.ts";
import type { Synced } from "../../../src/client/protocol.ts";
import type { Link, LinkFactory } from "../../../src/links/link.ts";
import { pollLink } from "../../../src/links/poll.ts";
import { sseLink } from "../../../src/links/sse.ts";
import { entry } from "../builders.ts";
import { settle } from "../script.ts";

/** A request that waits for the test's answer. */
interface Asked {
  url: string;
  method: string;
  body: unknown;
  headers: Headers;
  signal: AbortSignal;
  answer(response: Response): Promise<void>;
}

const COUNTS = { unread: 1, unseen: 1 };

let asked: Asked[];
/** What the owner hears: events with what they carry. */
let told: unknown[][];
let link: Link | undefined;
let since: string | undefined;
/** What there is instead of an expired token. */
let renewed: string;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, told, since, renewed] = [[], [], "user:42=17", "t2"];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    return new Promise((resolve, reject) => {
      const signal = init.signal!;
      signal.addEventListener("abort", () => reject(signal.reason));
      asked.push({
        url: url.replace("http://server/v1/", ""),
        method: init.method ?? "GET",
        body: init.body && JSON.parse(init.body as string),
        headers: new Headers(init.headers),
        signal,
        answer: (response) => (resolve(response), settle()),
      });
    });
  });
});

afterEach(() => {
  link?.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open(factory: LinkFactory): Promise<Asked> {
  const credentials = async (stale?: string) => {
    const token = stale === undefined ? "t" : renewed;
    return since === undefined ? { token } : { token, since };
  };
  link = factory("http://server", credentials, {
    opened: (carrier) => told.push(["opened", carrier.transport, carrier.gapless]),
    event: (name, payload) => told.push([name, payload]),
    refused: ({ code, retryAfter }) => told.push(["refused", code, retryAfter]),
    closed: () => told.push(["closed"]),
  });
  link.open();
  await settle();
  return asked.at(-1)!;
}

/** What the owner has heard since the last look. */
function heard(): unknown[][] {
  return told.splice(0);
}

function problem(status: number, code: string, retryAfter?: string): Response {
  const headers: HeadersInit = retryAfter ? { "Retry-After": retryAfter } : {};
  return Response.json({ code, detail: code }, { status, headers });
}

/** An event stream that the test writes piece by piece. */
function stream() {
  const encoder = new TextEncoder();
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return {
    response: new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } }),
    write: (text: string) => (controller.enqueue(encoder.encode(text)), settle()),
    writeBytes: (bytes: Uint8Array) => (controller.enqueue(bytes), settle()),
    end: () => (controller.close(), settle()),
  };
}

async function openStream() {
  const request = await open(sseLink);
  const source = stream();
  await request.answer(source.response);
  return { request, ...source };
}

function answered(items: number[], cursor: string, fields: object = {}): Response {
  const answer = { items: items.map((seq) => entry(`${seq}@user:42`)), removed: [], cursor, recovered: true, ...COUNTS };
  return Response.json({ ...answer, ...fields }, { headers: { ETag: `"${cursor}"` } });
}

async function openPoll(): Promise<void> {
  await (await open(pollLink)).answer(answered([], "user:42=17"));
  await vi.advanceTimersByTimeAsync(1_000);
  told.length = 0;
}

test("a stream begins at the cursor, with the token in a header and nowhere else", async () => {
  const { request } = await openStream();
  expect([request.url, request.headers.get("Authorization")]).toEqual(["feed/stream?since=user%3A42%3D17", "Bearer t"]);
  expect(heard()).toEqual([["opened", "sse", true]]);
});

test("the first visit has no cursor to show", async () => {
  since = undefined;
  expect((await open(sseLink)).url).toBe("feed/stream?");
});

test("a stream is cut into events, wherever the network cuts it", async () => {
  const { writeBytes } = await openStream();
  const arrived = entry("18@user:42", { title: "Grüße 👋" });
  const text = `retry: 1000\n\n:\n\nevent: notification\ndata: ${JSON.stringify(arrived)}\nid: user:42=18\n\nevent: later\ndata: {}\n\n`;
  told.length = 0;
  for (const byte of new TextEncoder().encode(text)) await writeBytes(new Uint8Array([byte]));
  expect(heard()).toEqual([["notification", arrived]]);
});

test("a stream that the server ends is closed, with its goodbye before", async () => {
  const { write, end } = await openStream();
  told.length = 0;
  await write('event: goodbye\ndata: {"reason":"revoked","reconnect_after":0}\nid: \n\n');
  await end();
  expect(heard()).toEqual([["goodbye", { reason: "revoked", reconnect_after: 0 }], ["closed"]]);
});

test("a stream without a sign of life for 45 seconds is gone; a comment is a sign", async () => {
  const { request, write } = await openStream();
  await vi.advanceTimersByTimeAsync(44_999);
  await write(":\n\n");
  await vi.advanceTimersByTimeAsync(44_999);
  expect(request.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(request.signal.aborted).toBe(true);
});

test("an answer that is no event stream comes from something in between", async () => {
  const request = await open(sseLink);
  await request.answer(new Response("<h1>Sign in to this network</h1>", { headers: { "Content-Type": "text/html" } }));
  expect(heard()).toEqual([["refused", "offline", undefined]]);
});

test.each([
  [401, "expired", undefined],
  [503, "overloaded", "3"],
])("a refusal %d says why and when to come back", async (status, code, after) => {
  await (await open(sseLink)).answer(problem(status, code, after));
  expect(heard()).toEqual([["refused", code, after && Number(after)]]);
});

test("a refusal that is not the server's is none of its words", async () => {
  await (await open(pollLink)).answer(new Response("<h1>Blocked</h1>", { status: 403 }));
  expect(heard()).toEqual([["refused", "offline", undefined]]);
});

test("a closed link ends its request and says nothing more", async () => {
  const { request, write } = await openStream();
  told.length = 0;
  link!.close();
  await write('event: goodbye\ndata: {"reason":"shutdown"}\n\n');
  expect([request.signal.aborted, heard()]).toEqual([true, []]);
});

test("a poll asks at once, tells the answer like a replay, and then waits for news from there", async () => {
  const first = await open(pollLink);
  expect(first.url).toBe("feed/poll?since=user%3A42%3D17&wait=0");
  await first.answer(answered([18, 19], "user:42=19", { removed: ["3@user:42"] }));
  expect(heard()).toEqual([
    ["opened", "poll", true],
    ["notification", entry("18@user:42")],
    ["notification", entry("19@user:42")],
    ["removed", { ids: ["3@user:42"] }],
    ["synced", { cursor: "user:42=19", counts: COUNTS, recovered: true }],
  ]);
  await vi.advanceTimersByTimeAsync(1_000);
  const second = asked.at(-1)!;
  expect([second.url, second.headers.get("If-None-Match")]).toEqual([
    "feed/poll?since=user%3A42%3D19&wait=25", '"user:42=19"',
  ]);
});

test("nothing new is asked again at once, with the same words, and not told", async () => {
  await openPoll();
  const before = asked.at(-1)!;
  await before.answer(new Response(null, { status: 304 }));
  expect([asked.length, asked.at(-1)!.url, asked.at(-1)!.headers.get("If-None-Match")]).toEqual([
    3, before.url, before.headers.get("If-None-Match"),
  ]);
  expect(heard()).toEqual([]);
});

test("preferences that changed between two answers are told before the news that they decide on", async () => {
  const before = { ...DEFAULT_PREFERENCES, version: 3 };
  const after = { ...before, version: 4, sound: !before.sound };
  await (await open(pollLink)).answer(answered([], "user:42=17", { preferences: before }));
  for (const [preferences, names] of [
    [before, ["notification", "synced"]],
    [after, ["preferences", "notification", "synced"]],
    [after, ["notification", "synced"]],
  ] as const) {
    told.length = 0;
    await vi.advanceTimersByTimeAsync(1_000);
    await asked.at(-1)!.answer(answered([18], "user:42=18", { preferences }));
    const events = heard();
    expect(events.map(([name]) => name)).toEqual(names);
    for (const [name, payload] of events.filter(([name]) => name !== "notification")) {
      expect(name === "synced" ? (payload as Synced).preferences : payload).toEqual(preferences);
    }
  }
});

test("after news a poll waits a second, so that a burst comes together", async () => {
  await openPoll();
  await asked.at(-1)!.answer(answered([18], "user:42=18"));
  await vi.advanceTimersByTimeAsync(999);
  expect(asked.length).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked.length).toBe(3);
});

test("a poll that is refused while open is a goodbye with its reason and pause", async () => {
  await openPoll();
  await asked.at(-1)!.answer(problem(429, "rate_limited", "12"));
  expect(heard()).toEqual([["goodbye", { reason: "rate_limited", reconnect_after: 12 }], ["closed"]]);
});

test("a poll whose answer is ten seconds late is lost", async () => {
  await openPoll();
  await vi.advanceTimersByTimeAsync(34_999);
  expect(heard()).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(heard()).toEqual([["closed"]]);
});

test.each([
  ["feed", { limit: 20, before: "user:42=9" }, "GET", "feed?limit=20&before=user%3A42%3D9", undefined],
  ["mark_read", { ids: ["17@user:42"] }, "POST", "feed/read", { ids: ["17@user:42"] }],
  ["mark_unread", { ids: ["17@user:42"] }, "POST", "feed/unread", { ids: ["17@user:42"] }],
  ["dismiss", { all: true, cursor: "a" }, "POST", "feed/dismiss", { all: true, cursor: "a" }],
  ["mark_seen", { cursor: "a" }, "POST", "feed/seen", { cursor: "a" }],
] as const)("%s is a call, and its answer the answer", async (name, args, method, url, body) => {
  await openStream();
  const answer = link!.request(name, args as never);
  await settle();
  const call = asked.at(-1)!;
  expect([call.method, call.url, call.body, call.headers.get("Authorization")]).toEqual([method, url, body, "Bearer t"]);
  await call.answer(Response.json(COUNTS));
  expect(await answer).toEqual(COUNTS);
});

test("a call that is refused, late, or without a connection says so", async () => {
  await openStream();
  const refused = expect(link!.request("mark_seen", { cursor: "a" })).rejects.toMatchObject({
    code: "rate_limited",
    retryAfter: 2,
  });
  await settle();
  await asked.at(-1)!.answer(problem(429, "rate_limited", "2"));
  await refused;
  const late = expect(link!.request("mark_seen", { cursor: "a" })).rejects.toMatchObject({ code: "timeout" });
  await vi.advanceTimersByTimeAsync(10_000);
  await late;
  const unknown = expect(link!.request("mark_seen", { cursor: "a" })).rejects.toMatchObject({ code: "timeout" });
  await settle();
  await asked.at(-1)!.answer(new Response("", { status: 502 }));
  await unknown;
  link!.close();
  await expect(link!.request("mark_seen", { cursor: "a" })).rejects.toMatchObject({ code: "offline" });
});

test("a call that has begun is carried out although another link takes over", async () => {
  await openStream();
  const answer = link!.request("mark_seen", { cursor: "a" });
  await settle();
  const call = asked.at(-1)!;
  link!.close();
  await call.answer(Response.json(COUNTS));
  expect(await answer).toEqual(COUNTS);
});

test("a call whose token has expired is made again with a fresh one, and so are the next", async () => {
  await openStream();
  const done = link!.request("mark_read", { ids: ["1@user:42"] });
  await settle();
  await asked.at(-1)!.answer(problem(401, "expired"));
  expect([asked.at(-1)!.headers.get("Authorization"), asked.at(-1)!.body]).toEqual(["Bearer t2", { ids: ["1@user:42"] }]);
  await asked.at(-1)!.answer(Response.json(COUNTS));
  expect(await done).toEqual(COUNTS);
  void link!.request("mark_seen", { cursor: "user:42=17" }).catch(() => undefined);
  await settle();
  expect(asked.at(-1)!.headers.get("Authorization")).toBe("Bearer t2");
});

test("a call is made again once, and not where there is no other token", async () => {
  await openStream();
  const refused = expect(link!.request("mark_read", { ids: [] })).rejects.toMatchObject({ code: "expired" });
  await settle();
  await asked.at(-1)!.answer(problem(401, "expired"));
  await asked.at(-1)!.answer(problem(401, "expired"));
  await refused;
  expect(asked.length).toBe(3);
  renewed = "t2";
  const again = expect(link!.request("mark_read", { ids: [] })).rejects.toMatchObject({ code: "expired" });
  await settle();
  await asked.at(-1)!.answer(problem(401, "expired"));
  await again;
  expect(asked.length).toBe(4);
});

test("preferences and what was missed can be asked for", async () => {
  await openStream();
  for (const done of [
    link!.request("get_preferences", {}),
    link!.request("set_preferences", { sound: false }),
    link!.request("sync", { since: "user:42=9" }),
  ]) {
    done.catch(() => undefined);
  }
  await settle();
  expect(asked.slice(1).map(({ method, url, body }) => [method, url, body])).toEqual([
    ["GET", "preferences?", undefined],
    ["PATCH", "preferences", { sound: false }],
    ["GET", "feed/poll?since=user%3A42%3D9&wait=0", undefined],
  ]);
});
