// A notification service on Node, as a competent team would write it: one process, plain `http`
// with keep-alive, socket.io with its Redis adapter, the MongoDB driver, jsonwebtoken, ajv.
//
// A notification is checked, stored in one insert that a majority has journaled, emitted to the
// room of its audience on all nodes, then answered. A feed is paged by the order of its ids.
//
// What Notifier promises and this does not: entries of a log have no numbers without holes, so a
// client cannot tell that it missed one, and there is no replay; delivery is at most once, and
// nothing is repaired after Redis was away; no idempotency keys, no read state, no counts, no rate
// limits, no revocation, no metrics; nothing is scheduled, collapsed, throttled or withdrawn.
import { createSecretKey, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import jwt from "jsonwebtoken";
import { MongoClient, ObjectId } from "mongodb";
import { Server } from "socket.io";
import { problemsOf } from "./schema.mjs";

const MAX_BODY = 1_048_576;
const RETENTION = 90 * 86_400;
const { SECRET, MONGODB_URI, REDIS_URL } = process.env;

class Refusal extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

// The store

const client = new MongoClient(MONGODB_URI, {
  writeConcern: { w: "majority", journal: true },
  readConcern: { level: "majority" },
});
const entries = client.db().collection("entries");
await entries.createIndexes([
  { key: { audience: 1, _id: -1 } },
  { key: { expires_at: 1 }, expireAfterSeconds: 0 },
]);

// The sockets

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
// Of the clients the adapter takes, and with pipelines, this one costs least.
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
io.adapter(createAdapter(redis, redis.duplicate()));
const users = io.of("/notifications");

users.use((socket, next) => {
  try {
    socket.data.user = identify(socket.handshake.auth.token).sub;
    next();
  } catch (error) {
    next(error);
  }
});
users.on("connection", (socket) => {
  socket.join(roomsOf(socket.data.user));
  socket.emit("synced");
});

function roomsOf(user) {
  return [`user:${user}`, "everyone"];
}

// Who calls. A key object is made once: from a text jsonwebtoken would make one for each token.

const KEY = createSecretKey(Buffer.from(SECRET));

function identify(token) {
  let claims;
  try {
    claims = jwt.verify(token, KEY, { algorithms: ["HS256"], clockTolerance: 30 });
  } catch {
    throw new Refusal(401, "The token is not valid.");
  }
  if (!claims.sub || !claims.exp) throw new Refusal(401, "The token must have sub and exp.");
  return claims;
}

function callerOf(request) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer") throw new Refusal(401, "Send a bearer token.");
  return identify(token);
}

// The calls

async function publish(request) {
  const { sub: publisher, scope = "" } = callerOf(request);
  if (!scope.split(" ").includes("notifications:publish")) {
    throw new Refusal(403, "Publishing needs the scope notifications:publish.");
  }
  const notification = parse(await bodyOf(request));
  const errors = problemsOf(notification);
  if (errors) throw new Refusal(422, "The notification is not valid.", errors);
  const { to, except = [], ttl, ...content } = notification;
  const created = Date.now();
  const shared = {
    notification_id: randomUUID(),
    publisher,
    type: "info",
    priority: "normal",
    ...content,
    created_at: new Date(created),
    expires_at: new Date(created + (ttl ?? RETENTION) * 1000),
  };
  const documents = unique(to).map((audience) => ({ _id: new ObjectId(), audience, ...shared }));
  await (documents.length === 1 ? entries.insertOne(documents[0]) : entries.insertMany(documents));
  for (const entry of documents) {
    users.to(entry.audience).except(unique(except)).emit("notification", shown(entry));
  }
  const ids = documents.map((entry) => ({ id: entry._id }));
  return [201, { id: shared.notification_id, entries: ids }];
}

async function feed(request, text) {
  const query = new URLSearchParams(text);
  const audience = { $in: roomsOf(callerOf(request).sub) };
  const limit = Number(query.get("limit") ?? 20);
  if (!(limit >= 1 && limit <= 100)) throw new Refusal(400, "limit must be 1 to 100.");
  const before = query.get("before");
  if (before !== null && !ObjectId.isValid(before)) throw new Refusal(400, "before must be an id.");
  const older = before === null ? {} : { _id: { $lt: new ObjectId(before) } };
  const page = await entries.find({ audience, ...older }).sort({ _id: -1 }).limit(limit).toArray();
  return [200, { items: page.map(shown), next: page.length === limit ? page.at(-1)._id : null }];
}

function shown({ _id, audience, publisher, ...content }) {
  return { id: _id, ...content };
}

function unique(audiences) {
  return [...new Set([audiences].flat())];
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
}

function bodyOf(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    request.on("data", (chunk) => {
      size += chunk.length;
      if (size > MAX_BODY) reject(new Refusal(413, `At most ${MAX_BODY} bytes.`));
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString()));
    request.on("error", reject);
  });
}

// The server

const CALLS = {
  "GET /healthz": () => [200, { status: "ok" }],
  "POST /v1/notifications": publish,
  "GET /v1/feed": feed,
};

http.on("request", async (request, response) => {
  const [path, query] = request.url.split("?");
  if (path.startsWith("/socket.io/")) return; // not ours
  let status, told;
  try {
    const call = CALLS[`${request.method} ${path}`];
    if (call === undefined) throw new Refusal(404, "There is no such call.");
    [status, told] = await call(request, query);
  } catch (error) {
    status = error.status ?? 500;
    const detail = error.status ? error.message : "Internal error.";
    told = { status, detail, errors: error.errors };
  }
  const body = JSON.stringify(told);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
});

http.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
