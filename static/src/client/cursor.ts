/**
 * A cursor says how far a reader has got in each of its logs: audience -> seq. As text it is
 * `everyone=5;user:42=17`, names percent-encoded except for `:` and `@`.
 */
export type Cursor = ReadonlyMap<string, number>;

/** Where an entry stands: its audience's log and its place in it. */
export interface Position {
  audience: string;
  seq: number;
}

const HOUR_MS = 3_600_000;

/** Reads `17@user:42`; undefined when the text is no entry id. */
export function parsePosition(id: string): Position | undefined {
  const at = id.indexOf("@");
  const digits = id.slice(0, Math.max(at, 0));
  const audience = id.slice(at + 1);
  return /^\d+$/.test(digits) && audience ? { audience, seq: Number(digits) } : undefined;
}

/** Reads a cursor's text. Pairs that are none are left out: the server is asked for those logs again. */
export function parseCursor(text: string): Cursor {
  const cursor = new Map<string, number>();
  for (const pair of text.split(";")) {
    const equals = pair.lastIndexOf("=");
    const digits = pair.slice(equals + 1);
    if (equals > 0 && /^\d+$/.test(digits)) {
      cursor.set(decodeURIComponent(pair.slice(0, equals)), Number(digits));
    }
  }
  return cursor;
}

/** The text of a cursor; audiences in code-unit order, so equal cursors have equal texts. */
export function formatCursor(cursor: Cursor): string {
  return [...cursor]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([audience, seq]) => `${encodeAudience(audience)}=${seq}`)
    .join(";");
}

/** True when the entry lies at or before the cursor. */
export function reaches(cursor: Cursor, { audience, seq }: Position): boolean {
  return seq <= (cursor.get(audience) ?? 0);
}

/**
 * True when the entry is the very next one of its log. An empty log begins at a full hour in milliseconds:
 * its first entry is recognised, so that the first broadcast of all does not make every reader ask.
 */
export function precedes(cursor: Cursor, { audience, seq }: Position): boolean {
  const known = cursor.get(audience) ?? 0;
  return known === 0 ? seq % HOUR_MS === 0 : seq === known + 1;
}

/** The cursor after that entry; never moves back. */
export function advance(cursor: Cursor, position: Position): Cursor {
  if (reaches(cursor, position)) return cursor;
  return new Map(cursor).set(position.audience, position.seq);
}

/** Where the reader stands in the logs that the server names, at least as far as it was already. */
export function furthest(theirs: Cursor, ours: Cursor): Cursor {
  return new Map([...theirs].map(([audience, seq]) => [audience, Math.max(seq, ours.get(audience) ?? 0)]));
}

function encodeAudience(name: string): string {
  return encodeURIComponent(name).replaceAll("%3A", ":").replaceAll("%40", "@");
}
