// Node's socket.io as a peer: the same namespace, rooms, token and events as `notifier_peer.py`.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";
import jwt from "jsonwebtoken";

const { SECRET, ORIGIN } = process.env;
const EVENT = JSON.parse(readFileSync(new URL("event.json", import.meta.url)));
const http = createServer();
const io = new Server(http, {
  cors: { origin: ORIGIN },
  pingInterval: 600_000,
  pingTimeout: 600_000,
  transports: ["websocket"],
});
const users = io.of("/notifications");

users.use((socket, next) => {
  jwt.verify(socket.handshake.auth.token, SECRET, { algorithms: ["HS256"] }, (error, claims) => {
    if (error) return next(error);
    socket.data.user = claims.sub;
    next();
  });
});
users.on("connection", (socket) => {
  socket.join([`user:${socket.data.user}`, "everyone"]);
});

function emit(room) {
  const now = (process.hrtime.bigint() / 1000n).toString().padStart(15, "0");
  users.to(room).emit("notification", { ...EVENT, at: now });
}

const commands = {
  broadcast: () => emit("everyone"),
  user: (number) => emit(`user:${number}`),
  users: (count) => {
    for (let number = 0; number < count; number++) emit(`user:${number}`);
  },
  collect: () => {
    // As when memory runs out: what can be given back is given back.
    globalThis.gc({ type: "major", execution: "sync", flavor: "last-resort" });
    console.log("done");
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [command, argument] = line.split(" ");
    commands[command](Number(argument));
  })
  .on("close", () => process.exit());
http.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => console.log(http.address().port));
