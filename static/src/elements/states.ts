import type { Snapshot } from "../client/snapshot.ts";
import type { Messages } from "../locales/messages.ts";
import { button, h } from "./dom.ts";
import { icon } from "./icons.ts";

/** What the panel shows besides cards, or instead of them. */
export type PanelState = "" | "loading" | "empty" | "offline" | "signed-out" | "failed";

const LOADING_CARDS = 4;

/** One reason, the most important: without a sign-in nothing else matters, without a connection little. */
export function stateOf({ connection, items, loaded, problem }: Snapshot): PanelState {
  if (connection === "unauthenticated") return "signed-out";
  if (connection === "offline") return "offline";
  if (problem && connection === "online") return "failed";
  if (!loaded) return items.length ? "" : "loading";
  return items.length ? "" : "empty";
}

/** What stands in the panel for a state. */
export function stateView(state: PanelState, messages: Messages, retry: () => void): HTMLElement[] {
  switch (state) {
    case "":
      return [];
    case "loading":
      return skeleton(messages);
    case "empty":
      return [slotted("empty", message("bell", messages.empty.title, messages.empty.text))];
    case "offline":
      return [message("offline", messages.offline.title, messages.offline.text)];
    case "signed-out":
      return [slotted("signed-out", message("person", messages.signedOut.title, messages.signedOut.text))];
    case "failed":
      return [
        message("warning", messages.failed.title, undefined, button({ class: "retry" }, retry, messages.failed.retry)),
      ];
  }
}

function skeleton(messages: Messages): HTMLElement[] {
  const bones = Array.from({ length: LOADING_CARDS }, () =>
    h("div", { class: "bone", "aria-hidden": "true" }, h("i"), h("b"), h("b")),
  );
  return [h("p", { class: "hidden", role: "status" }, messages.loading), ...bones];
}

function message(picture: string, title: string, text?: string, action?: HTMLElement): HTMLElement {
  return h(
    "div",
    { class: "message", role: "status" },
    h("span", { class: "disc" }, icon(picture)),
    h("p", { class: "what" }, title),
    text ? h("p", { class: "why" }, text) : undefined,
    action,
  );
}

/** The application may put something of its own there. */
function slotted(name: string, fallback: HTMLElement): HTMLElement {
  return h("slot", { name }, fallback);
}
