import "@notifier/client/elements";
import { desk } from "./desk.ts";
import { type Neighbour, pane } from "./pane.ts";
import { Person } from "./session.ts";

const PEOPLE: readonly Neighbour[] = [
  { id: "ada", name: "Ada" },
  { id: "grace", name: "Grace" },
];

/** Both people side by side; `?user=ada` shows one, for a second browser. */
async function start(): Promise<void> {
  const wanted = new URLSearchParams(location.search).get("user");
  const shown = PEOPLE.filter(({ id }) => !wanted || id === wanted);
  const people = await Promise.all((shown.length ? shown : PEOPLE).map(({ id }) => Person.arrive(id)));
  const panes = document.querySelector<HTMLElement>("#panes")!;
  panes.classList.toggle("single", people.length === 1);
  for (const person of people) {
    panes.append(pane(person, PEOPLE.find(({ id }) => id !== person.id)!));
  }
  desk(document.querySelector<HTMLElement>("#desk")!, people);
  Object.assign(window, { notifiers: Object.fromEntries(people.map(({ id, notifier }) => [id, notifier])) });
}

start().catch((error: Error) => {
  document.querySelector("#panes")!.textContent = error.message;
});
