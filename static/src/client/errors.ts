/**
 * Why something could not be done. `code` is the server's (`rate_limited`, `store_unavailable`...)
 * or one of the client's own: `offline` (there is no connection: nothing was sent), `timeout` (no answer
 * came: whether it was done is unknown) and `no_token` (the application gave none).
 */
export class NotifierError extends Error {
  override readonly name = "NotifierError";

  constructor(
    readonly code: string,
    message: string,
    /** Seconds after which another try may succeed; absent when the server gave none. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Whatever went wrong without the server: there is no connection. */
export function asProblem(error: unknown): NotifierError {
  return error instanceof NotifierError ? error : new NotifierError("offline", (error as Error).message);
}
