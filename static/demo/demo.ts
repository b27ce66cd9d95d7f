import "@notifier/client/elements";
import { desk } from "./desk.ts";
import { type Neighbour, pane } from "./pane.ts";
import { Person } from "./session.ts";

const PEOPLE: readonly Neighbour[] = [
  { id: "ada", name: "Ada" },
  { id: "grace", name: "Grace" },
];

const RIGHT_TO_LEFT = new Set(["ar"]);

/** Both people side by side; `?user=ada` shows one, for a second browser, `?lang=ar` begins in that language. */
async function start(): Promise<void> {
  const query = new URLSearchParams(location.search);
  language(query.get("lang") ?? "en");
  const wanted = query.get("user");
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

/** What the bells and toasts speak; the rest of the page is in English. */
function language(chosen: string): void {
  const menu = document.querySelector<HTMLSelectElement>("#language")!;
  const speak = () => {
    document.documentElement.lang = menu.value;
    document.documentElement.dir = RIGHT_TO_LEFT.has(menu.value) ? "rtl" : "ltr";
  };
  menu.value = chosen;
  menu.addEventListener("change", speak);
  speak();
}

start().catch((error: Error) => {
  document.querySelector("#panes")!.textContent = error.message;
});
