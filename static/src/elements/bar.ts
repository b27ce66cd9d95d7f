import type { NotifierError } from "../client/errors.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Messages } from "../locales/messages.ts";
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
    this.#undo = button({ class: "undo", hidden: true }, undo, messages.undo);
    this.element = h("div", { class: "bar", part: "bar", role: "status" }, this.#text, this.#undo);
  }

  render({ undoable }: Pick<Snapshot, "undoable">): void {
    this.#undo.hidden = !undoable;
    this.#draw();
  }

  fail({ code }: Pick<NotifierError, "code">): void {
    const { offline, unknown, other } = this.messages.actionFailed;
    this.#say(code === "offline" ? offline : code === "timeout" ? unknown : other);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#say(""), FAILURE_MS);
  }

  #say(failure: string): void {
    this.#failure = failure;
    this.#draw();
  }

  /** What can be taken back goes before what failed. */
  #draw(): void {
    const undoable = !this.#undo.hidden;
    const text = undoable ? this.messages.cleared : this.#failure;
    this.element.classList.toggle("failure", !undoable && text !== "");
    this.element.classList.toggle("shown", text !== "");
    setText(this.#text, text);
  }
}
