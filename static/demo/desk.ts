import type { Transport } from "@notifier/client";
import { choice, make, press } from "./dom.ts";
import { PRIORITIES, SAMPLES } from "./samples.ts";
import { Scheduled } from "./scheduled.ts";
import { type Draft, type Person, TRANSPORT_NAMES } from "./session.ts";
import { Why } from "./why.ts";
import { wire } from "./wire.ts";

const AUDIENCES = [
  ["everyone", "Everyone"],
  ["user:ada", "Ada"],
  ["user:grace", "Grace"],
  ["role:admin", "Admins"],
] as const;

/** In seconds from now. */
const DELAYS = [
  ["", "Now"],
  ["10", "In 10 s"],
  ["60", "In a minute"],
] as const;

const TRANSPORTS: readonly (readonly [string, string, readonly Transport[]])[] = [
  ["automatic", "Automatic", ["websocket", "sse", "poll"]],
  ...(["websocket", "sse", "poll"] as const).map((name) => [name, TRANSPORT_NAMES[name], [name]] as const),
];

const BURST = 12;

/** The application's side: publish anything to anyone, now or later, ask why, and see what travels. */
export function desk(element: HTMLElement, people: readonly Person[]): void {
  const publisher = people[0]!;
  const note = make("p", "note");
  note.setAttribute("role", "status");
  const say = (text: string) => void (note.textContent = text);
  const audience = choice("To", "audience", AUDIENCES);
  const priority = choice("Priority", "priority", [
    ["", "Default"],
    ...PRIORITIES.map((name) => [name, name[0]!.toUpperCase() + name.slice(1)] as const),
  ]);
  const delay = choice("When", "delay", DELAYS);
  const scheduled = new Scheduled(say);
  const why = new Why(publisher, people);
  const draftOf = ({ label: _, hint: __, ...sample }: (typeof SAMPLES)[number]): Draft => ({
    ...sample,
    to: audience.value(),
    ...(priority.value() ? { priority: priority.value() } : {}),
    ...(delay.value() ? { deliver_at: new Date(Date.now() + Number(delay.value()) * 1_000).toISOString() } : {}),
  });
  const send = async (count: number, sample: (typeof SAMPLES)[number]) => {
    try {
      for (let sent = 0; sent < count; sent++) {
        const published = await publisher.publish(draftOf(sample));
        if (published.deliver_at) scheduled.add(published, sample.label, publisher);
        else why.offer(published);
      }
      const what = count > 1 ? String(count) : sample.label;
      say(delay.value() ? `${what} scheduled` : [`${what} sent.`, sample.hint].filter(Boolean).join(" "));
    } catch (error) {
      say((error as Error).message);
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
  const { log, clear } = wire(people);
  element.append(make("h2", "", "Your application"), audience.element, priority.element, delay.element, types);
  element.append(note, scheduled.element, why.element);
  element.append(make("div", "log-heading", make("h2", "", "On the wire"), clear), transport.element, log);
}
