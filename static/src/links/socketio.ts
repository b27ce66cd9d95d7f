import { io, type Socket } from "socket.io-client";
import { NotifierError } from "../client/errors.ts";
import { EVENT_NAMES, type RequestName, type Requests } from "../client/protocol.ts";
import type { Carrier, LinkFactory } from "./link.ts";

/** A place that holds nothing for this user is told as one, so a jump is a loss. */
const CARRIER: Carrier = { transport: "websocket", gapless: false };

/** Long enough for a server that is busy with a failover, short enough for a person who waits. */
const ANSWER_TIMEOUT_MS = 10_000;

type Answer =
  | { ok: true; data: unknown }
  | { ok: false; error: { code: string; message: string; retry_after?: number } };

/** A link over Socket.IO, as a WebSocket from the start. */
export const socketioLink: LinkFactory = (url, credentials, listener) => {
  // Credentials that come when their attempt is over are not presented to the next one.
  let attempt = 0;
  const socket = io(`${url}/notifications`, {
    auth: (present) => {
      const mine = attempt;
      credentials().then(
        (given) => mine === attempt && present(given),
        (error: unknown) => {
          if (mine !== attempt) return;
          socket.disconnect();
          listener.refused(asRefusal(error));
        },
      );
    },
    transports: ["websocket"],
    // Several users may live in one page: each has a connection of its own.
    forceNew: true,
    reconnection: false,
    autoConnect: false,
  });
  for (const name of EVENT_NAMES) {
    socket.on(name, (payload) => listener.event(name, payload));
  }
  socket.on("connect", () => listener.opened(CARRIER));
  socket.on("connect_error", (error) => listener.refused(asRefusal(error)));
  socket.on("disconnect", (reason) => {
    if (reason !== "io client disconnect") listener.closed(reason);
  });
  return {
    open: () => {
      attempt++;
      socket.connect();
    },
    close: () => {
      attempt++;
      socket.disconnect();
    },
    request: (name, args) => request(socket, name, args),
  };
};

async function request<N extends RequestName>(
  socket: Socket,
  name: N,
  args: Requests[N][0],
): Promise<Requests[N][1]> {
  // The library would keep the packet for the next connection: an action must fail while its user looks on.
  if (!socket.connected) throw new NotifierError("offline", "There is no connection.");
  const answer: Answer = await socket
    .timeout(ANSWER_TIMEOUT_MS)
    .emitWithAck(name, args)
    .catch(() => {
      throw new NotifierError(
        socket.connected ? "timeout" : "offline",
        "The server did not answer in time.",
      );
    });
  if (answer.ok) return answer.data as Requests[N][1];
  const { code, message, retry_after } = answer.error;
  throw new NotifierError(code, message, retry_after);
}

/** A refusal by the server carries `data.code`; anything else never got as far as the server. */
function asRefusal(error: unknown): NotifierError {
  if (error instanceof NotifierError) return error;
  const { message, data } = error as Error & { data?: { code?: string; retry_after?: number } };
  return new NotifierError(data?.code ?? "offline", message, data?.retry_after);
}
