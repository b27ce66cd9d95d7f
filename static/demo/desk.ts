import type { NotifierEvents, Transport } from "@notifier/client";
import { PRIORITIES, SAMPLES } from "./samples.ts";
import { type Person, TRANSPORT_NAMES } from "./session.ts";

const AUDIENCES = [
  ["everyone", "Everyone"],
  ["user:ada", "Ada"],
  ["user:grace", "Grace"],
  ["role:admin", "Admins"],
] as const;

const TRANSPORTS: readonly (readonly [string, string, readonly Transport[]])[] = [
  ["automatic", "Automatic", ["websocket", "sse", "poll"]],
  ...(["websocket", "sse", "poll"] as const).map((name) => [name, TRANSPORT_NAMES[name], [name]] as const),
];

const BURST = 12;
const LOG_LINES = 200;

/** The application's side: publish anything to anyone, and see what travels. */
export function desk(element: HTMLElement, people: readonly Person[]): void {
  const publisher = people[0]!;
  const note = make("p", "note");
  note.setAttribute("role", "status");
  const audience = choice("To", "audience", AUDIENCES);
  const priority = choice("Priority", "priority", [
    ["", "Default"],
    ...PRIORITIES.map((name) => [name, name[0]!.toUpperCase() + name.slice(1)] as const),
  ]);
  const send = async (count: number, sample: (typeof SAMPLES)[number]) => {
    const { label, ...draft } = sample;
    const chosen = priority.value();
    try {
      for (let sent = 0; sent < count; sent++) {
        await publisher.publish({ ...draft, to: audience.value(), ...(chosen ? { priority: chosen } : {}) });
      }
      note.textContent = count > 1 ? `${count} sent` : `${label} sent`;
    } catch (error) {
      note.textContent = (error as Error).message;
    }
  };
  const types = make("div", "types");
  types.append(
    ...SAMPLES.map((sample) => press(sample.label, sample.type, () => send(1, sample))),
    press(`Burst of ${BURST}`, "burst", () => send(BURST, SAMPLES[0]!)),
  );
  const transport = choice("Transport", "transport", TRANSPORTS);
  transport.element.addEventListener("change", () => {
    const [, , transports] = TRANSPORTS.find(([name]) => name === transport.value())!;
    for (const { notifier } of people) notifier.useTransports(transports);
  });
  const { log, clear } = protocolLog(people);
  const heading = make("h2", "", "Your application");
  const logHeading = make("div", "log-heading");
  logHeading.append(make("h2", "", "On the wire"), clear);
  element.append(heading, audience.element, priority.element, types, note, ...alertsButton());
  element.append(logHeading, transport.element, log);
}

/** Radio buttons in a row. */
function choice(legend: string, name: string, options: readonly (readonly [string, string, ...unknown[]])[]) {
  const element = make("fieldset", "choice");
  const row = make("div", "row");
  for (const [index, [value, label]] of options.entries()) {
    const input = make("input", "");
    Object.assign(input, { type: "radio", name, value, defaultChecked: index === 0 });
    const wrapped = make("label", "");
    wrapped.append(input, make("span", "", label));
    row.append(wrapped);
  }
  element.append(make("legend", "", legend), row);
  const value = () => element.querySelector<HTMLInputElement>("input:checked")?.value ?? "";
  return { element, value };
}

/** Each packet as one line, newest at the end. */
function protocolLog(people: readonly Person[]) {
  const log = make("ol", "log");
  log.tabIndex = 0;
  log.setAttribute("aria-label", "Protocol events");
  for (const { id, name, notifier } of people) {
    notifier.on("wire", (event) => append(log, id, name, event));
  }
  const clear = press("Clear log", "clear-log", () => log.replaceChildren());
  return { log, clear };
}

function append(log: HTMLElement, id: string, name: string, event: NotifierEvents["wire"]): void {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  const line = make("li", event.direction);
  const detail = describe(event);
  line.append(
    make("b", id, name),
    make("i", "", event.direction === "in" ? "←" : "→"),
    make("strong", "", event.name),
    make("code", "", detail),
  );
  line.title = JSON.stringify(event.payload, null, 2);
  log.append(line);
  while (log.childElementCount > LOG_LINES) log.firstElementChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** A notification by its place and title; anything else as it is. */
function describe({ name, payload }: NotifierEvents["wire"]): string {
  const { id, title } = payload as { id?: string; title?: string };
  return name === "notification" ? `${id} “${title}”` : JSON.stringify(payload);
}

/** Shown while the browser has not asked yet: critical notifications can be seen outside the page. */
function alertsButton(): HTMLElement[] {
  if (!("Notification" in window) || Notification.permission !== "default") return [];
  const button = press("Allow browser notifications", "alerts", async () => {
    if ((await Notification.requestPermission()) !== "default") button.remove();
  });
  return [button];
}

function press(label: string, name: string, act: () => void): HTMLButtonElement {
  const button = make("button", name, label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
