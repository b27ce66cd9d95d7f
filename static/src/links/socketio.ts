import { Manager, type Socket } from "socket.io-client";
import { NotifierError } from "../client/errors.ts";
import { EVENT_NAMES, type RequestName, type Requests } from "../client/protocol.ts";
import type { Ask, Carrier, Link, LinkFactory, LinkListener } from "./link.ts";

const NAMESPACE = "/notifications";

/** A place that holds nothing for this user is told as one, so a jump is a loss. */
const CARRIER: Carrier = { transport: "websocket", gapless: false };

/** Long enough for a server that is busy with a failover, short enough for a person who waits. */
const ANSWER_TIMEOUT_MS = 10_000;

type Answer =
  | { ok: true; data: unknown }
  | { ok: false; error: { code: string; message: string; retry_after?: number } };

/** A link over Socket.IO, as a WebSocket from the start. */
export const socketioLink: LinkFactory = (url, credentials, listener) => {
  const manager = new Manager(url, { transports: ["websocket"], reconnection: false, autoConnect: false });
  return linkOf(manager.socket(NAMESPACE), credentials, listener);
};

/** A link over a socket that the application has. From now on it presents what the link's owner says. */
export function givenLink(socket: Socket): LinkFactory {
  return (_url, credentials, listener) => linkOf(socket, credentials, listener);
}

/** The namespace's socket of what an application gives. Throws a TypeError for another namespace's. */
export function socketOf(given: Socket | Manager): Socket {
  if (!("io" in given)) return given.socket(NAMESPACE);
  const { nsp } = given as unknown as { nsp: string };
  if (nsp !== NAMESPACE) throw new TypeError(`The socket is of the namespace ${nsp}, not ${NAMESPACE}.`);
  return given;
}

function linkOf(socket: Socket, credentials: Ask, listener: LinkListener): Link {
  // Credentials that come when their attempt is over are not presented to the next one.
  let attempt = 0;
  let isOpen = false;
  const close = () => {
    attempt++;
    isOpen = false;
    socket.disconnect();
  };
  const refused = (error: unknown) => isOpen && listener.refused(asRefusal(error));
  socket.auth = (present) => {
    const mine = attempt;
    credentials().then(
      (given) => mine === attempt && present(given),
      (error: unknown) => {
        if (mine !== attempt) return;
        socket.disconnect();
        refused(error);
      },
    );
  };
  for (const name of EVENT_NAMES) {
    socket.on(name, (payload) => isOpen && listener.event(name, payload));
  }
  socket.on("connect", () => isOpen && listener.opened(CARRIER));
  socket.on("connect_error", refused);
  socket.on("disconnect", (reason) => {
    if (isOpen && reason !== "io client disconnect") listener.closed(reason);
  });
  return {
    open: () => {
      // A socket that was connected before has presented no cursor.
      if (socket.connected) socket.disconnect();
      attempt++;
      isOpen = true;
      socket.connect();
    },
    close,
    request: (name, args) => request(socket, name, args),
  };
}

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
      throw new NotifierError("timeout", "The server did not answer in time.");
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
