import { type Cursor, type Position, parsePosition, precedes, reaches } from "./cursor.ts";
import type { Entry, Removed, StateChange, SyncAnswer } from "./protocol.ts";

/** What the server tells about the logs of this user. */
export type LogEvent =
  | { name: "notification"; payload: Entry }
  | { name: "removed"; payload: Removed }
  | { name: "state"; payload: StateChange };

export interface ReaderPort {
  cursor(): Cursor;
  /** In order and once; `position` is absent for what holds no place in a log, or a place already passed. */
  take(event: LogEvent, position: Position | undefined): void;
  /** Asks for what lies beyond the cursor. */
  sync(): Promise<SyncAnswer>;
  /** Takes what was asked for. */
  fill(answer: SyncAnswer): void;
  /** A sync failed: the only way to an unbroken reading is another connection with its replay. */
  broken(): void;
}

/**
 * Reads the logs without a hole: drops what it has, takes what is next, asks for what is missing.
 * While it asks, everything else waits in line.
 */
export class Reader {
  #replaying = false;
  #waiting: LogEvent[] | undefined;

  constructor(private readonly port: ReaderPort) {}

  /** A link opened: until `live`, the server's order is the order, jumps included. */
  replay(): void {
    this.#waiting = undefined;
    this.#replaying = true;
  }

  live(): void {
    this.#replaying = false;
  }

  accept(event: LogEvent): void {
    if (this.#waiting) this.#waiting.push(event);
    else this.#read(event);
  }

  #read(event: LogEvent): void {
    const position = positionOf(event);
    const passed = !position || reaches(this.port.cursor(), position);
    if (passed) return this.#readPassed(event);
    if (this.#replaying || precedes(this.port.cursor(), position)) return this.port.take(event, position);
    void this.#fill(event, position);
  }

  #readPassed(event: LogEvent): void {
    if (event.name !== "notification") this.port.take(event, undefined);
  }

  async #fill(event: LogEvent, position: Position): Promise<void> {
    const line: LogEvent[] = [];
    this.#waiting = line;
    const before = this.port.cursor().get(position.audience);
    const answer = await this.port.sync().catch(() => undefined);
    // Another link opened meanwhile: its replay covers all of this, and may have gone further.
    if (this.#waiting !== line) return;
    this.#waiting = undefined;
    if (!answer) return this.port.broken();
    this.port.fill(answer);
    const moved = this.port.cursor().get(position.audience) !== before;
    // A sync that does not move the cursor says that there is no entry in the hole.
    if (moved || reaches(this.port.cursor(), position)) this.accept(event);
    else this.port.take(event, position);
    for (const later of line) this.accept(later);
  }
}

function positionOf({ name, payload }: LogEvent): Position | undefined {
  const id = name === "state" ? undefined : payload.id;
  return id === undefined ? undefined : parsePosition(id);
}
