import { NotifierError } from "../client/errors.ts";
import type { Problem } from "./messages.ts";

/** A little longer than the leader itself waits for the server. */
const ANSWER_TIMEOUT_MS = 12_000;

export type Answer = { data?: unknown; problem?: Problem };

interface Waiting {
  resolve(data: unknown): void;
  reject(error: NotifierError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** Questions whose answer comes from another tab. */
export class Questions {
  readonly #waiting = new Map<string, Waiting>();

  has(id: string): boolean {
    return this.#waiting.has(id);
  }

  /** Rejects with a NotifierError. */
  wait(id: string): Promise<unknown> {
    const late: Problem = { code: "timeout", message: "The server did not answer in time.", retryAfter: undefined };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(id, { problem: late }), ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  settle(id: string, { data, problem }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    if (problem) waiting.reject(errorOf(problem));
    else waiting.resolve(data);
  }
}

export function errorOf({ code, message, retryAfter }: Problem): NotifierError {
  return new NotifierError(code, message, retryAfter);
}

export function problemOf({ code, message, retryAfter }: NotifierError): Problem {
  return { code, message, retryAfter };
}
