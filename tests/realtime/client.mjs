// Drives the stock socket.io-client for test_clients.py.
// Arguments: URL of the server, name of a scenario. Prints one line of JSON.
import { createRequire } from "node:module";

const { io } = createRequire(process.cwd() + "/")("socket.io-client");
const [url, scenario] = process.argv.slice(2);

function connect(options) {
  return io(`${url}/custom`, { auth: { token: "t" }, forceNew: true, ...options });
}

function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...values) => resolve(values)));
}

async function talk(options) {
  const socket = connect(options);
  const [auth] = await next(socket, "auth");
  const engine = socket.io.engine;
  if (options.upgrade && engine.transport.name === "polling") await next(engine, "upgrade");
  const ack = await socket.emitWithAck("message-with-ack", "é", 1);
  const back = next(socket, "message-back");
  socket.emit("message", { a: [Buffer.from([1, 2])] }, "x");
  const [value, text] = await back;
  const result = {
    auth,
    ack,
    bytes: [...new Uint8Array(value.a[0])],
    text,
    transport: engine.transport.name,
  };
  socket.disconnect();
  return result;
}

const scenarios = {
  websocket: () => talk({ transports: ["websocket"] }),
  polling: () => talk({ transports: ["polling"] }),
  upgrade: () => talk({ upgrade: true }),

  async refused() {
    const socket = io(`${url}/nowhere`, { forceNew: true });
    const [error] = await next(socket, "connect_error");
    socket.disconnect();
    return { message: error.message };
  },

  // Stays connected over many heartbeats.
  async idle() {
    const socket = connect({});
    await next(socket, "auth");
    for (let beat = 0; beat < 6; beat++) await next(socket.io.engine, "ping");
    const connected = socket.connected;
    socket.disconnect();
    return { connected };
  },

  // Says "ready", is closed by the server, and comes back by itself.
  async reconnect() {
    const socket = connect({ reconnectionDelay: 10 });
    await next(socket, "auth");
    const gone = next(socket, "disconnect");
    console.log("ready");
    const [reason] = await gone;
    const [auth] = await next(socket, "auth");
    socket.disconnect();
    return { reason, auth };
  },

  // Many events at once arrive complete and in order.
  async burst() {
    const socket = connect({ transports: ["polling"] });
    await next(socket, "auth");
    const acks = [];
    for (let number = 0; number < 200; number++) {
      acks.push(socket.emitWithAck("message-with-ack", number));
    }
    const numbers = await Promise.all(acks);
    socket.disconnect();
    return { complete: numbers.every((number, index) => number === index) };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
