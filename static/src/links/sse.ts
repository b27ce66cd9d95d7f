import { NotifierError } from "../client/errors.ts";
import { EVENT_NAMES, type EventName } from "../client/protocol.ts";
import { Deadline } from "./deadline.ts";
import { type Opening, httpLink } from "./http.ts";

/** The server sends something at least every 20 s: what is silent for twice as long is gone. */
const SILENCE_MS = 45_000;

/**
 * A link over Server-Sent Events, read with `fetch`: unlike `EventSource` it can send the token in a header,
 * and hears why it is refused.
 */
export const sseLink = httpLink({ transport: "sse", gapless: true }, async (opening) => {
  const silence = new Deadline(SILENCE_MS, opening.signal);
  try {
    const { since } = opening;
    const response = await opening.rest.get("feed/stream", { since }, { signal: silence.signal });
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new NotifierError("offline", "The answer is no event stream.");
    }
    opening.opened();
    const parser = new Parser(opening);
    const reader = response.body!.getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      silence.renew();
      parser.take(chunk.value);
    }
  } finally {
    silence.end();
  }
});

/** Cuts a stream into events. The server ends lines with a line feed, and its data has none. */
class Parser {
  #text = "";
  readonly #decoder = new TextDecoder();

  constructor(private readonly opening: Opening) {}

  take(bytes: Uint8Array): void {
    const blocks = (this.#text + this.#decoder.decode(bytes, { stream: true })).split("\n\n");
    this.#text = blocks.pop()!;
    for (const block of blocks) this.#tell(block);
  }

  /** Comments have no data; a later server may have other events. */
  #tell(block: string): void {
    const [, name] = /^event: (.*)$/m.exec(block) ?? [];
    const [, data] = /^data: (.*)$/m.exec(block) ?? [];
    if (data && EVENT_NAMES.includes(name as EventName)) {
      this.opening.event(name as EventName, JSON.parse(data));
    }
  }
}
