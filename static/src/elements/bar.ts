import type { NotifierError } from "../client/errors.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Messages } from "../locales/en.ts";
import { button, h, setText } from "./dom.ts";

/** Long enough to read one sentence. */
const FAILURE_MS = 6_000;

/** The line at the foot of the panel: takes a clear back, says that an action failed. */
export class Bar {
  readonly element: HTMLElement;
  readonly #text = h("span");
  readonly #undo: HTMLButtonElement;
  #failure = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly messages: Messages,
    undo: () => void,
  ) {
    this.#undo = button({ class: "undo" }, undo, messages.undo);
    this.element = h("div", { class: "bar", part: "bar", role: "status" }, this.#text, this.#undo);
  }

  render({ undoable }: Pick<Snapshot, "undoable">): void {
    this.#undo.hidden = !undoable;
    this.element.classList.toggle("failure", this.#failure !== "" && !undoable);
    const text = undoable ? this.messages.cleared : this.#failure;
    this.element.classList.toggle("shown", text !== "");
    setText(this.#text, text);
  }

  fail({ code }: NotifierError, changed: () => void): void {
    const { offline, other } = this.messages.actionFailed;
    this.#failure = code === "offline" ? offline : other;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#failure = "";
      changed();
    }, FAILURE_MS);
    changed();
  }
}
