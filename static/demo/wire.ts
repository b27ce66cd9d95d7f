import type { NotifierEvents } from "@notifier/client";
import { make, press } from "./dom.ts";
import type { Person } from "./session.ts";

const LINES = 200;

/** Each packet as one line, newest at the end. */
export function wire(people: readonly Person[]) {
  const log = make("ol", "log");
  log.tabIndex = 0;
  log.setAttribute("aria-label", "Protocol events");
  for (const { id, name, notifier } of people) {
    notifier.on("wire", (event) => append(log, id, name, event));
  }
  return { log, clear: press("Clear log", "clear-log", () => log.replaceChildren()) };
}

function append(log: HTMLElement, id: string, name: string, event: NotifierEvents["wire"]): void {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  const line = make(
    "li",
    event.direction,
    make("b", id, name),
    make("i", "", event.direction === "in" ? "←" : "→"),
    make("strong", "", event.name),
    make("code", "", describe(event)),
  );
  line.title = JSON.stringify(event.payload, null, 2);
  log.append(line);
  while (log.childElementCount > LINES) log.firstElementChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** A notification by its place and title; anything else as it is. */
function describe({ name, payload }: NotifierEvents["wire"]): string {
  const { id, title } = payload as { id?: string; title?: string };
  return name === "notification" ? `${id} “${title}”` : JSON.stringify(payload);
}
