import type { TypeInfo } from "../client/catalogue.ts";
import type { Item } from "../inbox/inbox.ts";
import { type Messages, counted } from "../locales/messages.ts";
import { actionLinks, metaLine, redraw, titleOf } from "./text.ts";
import { button, h } from "./dom.ts";
import { picture } from "./picture.ts";

export interface ModalActions {
  info(type: string): TypeInfo;
  acknowledge(item: Item): void;
  select(item: Item, event: Event): void;
}

/** The dialog for what must be acknowledged: shows one notification, says how many follow. */
export class Modal {
  readonly element = h("dialog", {
    class: "modal",
    part: "modal",
    role: "alertdialog",
    "aria-labelledby": "modal-title",
    "aria-describedby": "modal-body",
    closedby: "none",
  });
  #shown = "";
  #item: string | undefined;

  constructor(
    private readonly messages: Messages,
    private readonly actions: ModalActions,
  ) {
    this.element.addEventListener("cancel", (event) => event.preventDefault());
  }

  /** Shows the first of these; closes when there is none. */
  render([item, ...waiting]: readonly Item[]): void {
    if (!item) return this.#close();
    const shown = `${item.notification_id} ${waiting.length}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    redraw(this.element, ...this.#content(item, waiting.length));
    if (this.element.open && item.notification_id === this.#item) return;
    this.#item = item.notification_id;
    if (!this.element.open) this.element.showModal();
    // Not the button: a key that is pressed now was meant for something else.
    titleOf(this.element)?.focus();
  }

  #content(item: Item, waiting: number): HTMLElement[] {
    const info = this.actions.info(item.type);
    const acknowledge = button(
      { class: "acknowledge", part: "acknowledge", "data-control": "acknowledge" },
      () => this.actions.acknowledge(item),
      this.messages.acknowledge,
    );
    return [
      h("div", { class: "what" }, picture(item, info), metaLine(item, info, this.messages)),
      h("h2", { id: "modal-title", dir: "auto", tabindex: "-1", "data-control": "title" }, item.title),
      h("p", { id: "modal-body", class: "full", dir: "auto" }, item.body ?? ""),
      h(
        "footer",
        {},
        waiting ? h("span", { class: "waiting" }, counted(this.messages, this.messages.more, waiting)) : undefined,
        actionLinks(item, (event) => this.actions.select(item, event)),
        acknowledge,
      ),
    ];
  }

  #close(): void {
    if (this.element.open) this.element.close();
    this.#shown = "";
  }
}
