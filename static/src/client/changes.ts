import type { Inbox } from "../inbox/inbox.ts";

export type Change = (inbox: Inbox) => Inbox;

/** What is changed while an answer is on its way: it may have been made before that, and must not undo it. */
export class Changes {
  /** Shown, but not yet confirmed by the server. */
  readonly #open = new Set<Change>();
  /** For each answer on its way: what it may not know. */
  readonly #unknown = new Set<Set<Change>>();

  /** From now on it holds, unless the outcome is a refusal. */
  during(change: Change, outcome: Promise<unknown>): void {
    this.#open.add(change);
    this.note(change);
    outcome.then(
      () => this.#open.delete(change),
      () => {
        this.#open.delete(change);
        for (const unknown of this.#unknown) unknown.delete(change);
      },
    );
  }

  /** The server has said so. */
  note(change: Change): void {
    for (const unknown of this.#unknown) unknown.add(change);
  }

  /** Waits for an answer; `redo` makes the changes again that it may not know. */
  async follow<T>(coming: Promise<T>): Promise<{ answer: T; redo: Change }> {
    const unknown = new Set(this.#open);
    this.#unknown.add(unknown);
    try {
      const answer = await coming;
      return { answer, redo: (inbox) => [...unknown].reduce((changed, change) => change(changed), inbox) };
    } finally {
      this.#unknown.delete(unknown);
    }
  }
}
