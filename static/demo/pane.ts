import type { Item } from "@notifier/client";
import { press } from "./dom.ts";
import { life } from "./life.ts";
import { type Draft, type Person, TRANSPORT_NAMES, avatarOf } from "./session.ts";

/** What one person can do to the other, as the application would publish it. */
const DEEDS: readonly { label: string; draft: (by: string) => Omit<Draft, "to" | "sender"> }[] = [
  {
    label: "Like",
    draft: (by) => ({ type: "like", title: `${by} liked your post`, url: "/posts/1", collapse_key: "post:1" }),
  },
  {
    label: "Comment",
    draft: (by) => ({ type: "comment", title: `${by} commented on your post`, body: "“Beautiful. When can I see it run?”", url: "/posts/1" }),
  },
  {
    label: "Message",
    draft: (by) => ({
      type: "message",
      title: `${by} sent you a message`,
      body: "Lunch at one? The place by the river has a table outside.",
      url: "/chat/7",
    }),
  },
  {
    label: "Add friend",
    draft: (by) => ({
      type: "friend_request",
      title: `${by} wants to be friends`,
      actions: [{ label: "See profile", url: "/people" }],
    }),
  },
];

/** Their likes become one card. */
const CROWD = ["Charles", "Mary", "Annie", "Katherine", "Joan"];

const POSTS: Readonly<Record<string, string>> = {
  ada: "The engine weaves algebraic patterns just as the loom weaves flowers and leaves. Notes are up!",
  grace: "Found the fault: a moth in relay 70. Taped it into the log book. First actual bug.",
};

export interface Neighbour {
  id: string;
  name: string;
}

/** One person's window: their bell, their toasts, and the other's post to react to. */
export function pane(person: Person, other: Neighbour): HTMLElement {
  const template = document.querySelector<HTMLTemplateElement>("#pane-template")!;
  const element = (template.content.cloneNode(true) as DocumentFragment).querySelector<HTMLElement>(".pane")!;
  element.classList.add(person.id);
  element.setAttribute("aria-label", `${person.name}’s window`);
  const find = <E extends HTMLElement>(selector: string) => element.querySelector<E>(selector)!;
  find<HTMLImageElement>(".app-bar .avatar").src = person.avatar;
  find("h2").textContent = person.name;
  find<HTMLImageElement>(".post .avatar").src = avatarOf(other.id);
  find(".author").textContent = other.name;
  find(".words").textContent = POSTS[other.id] ?? "";
  find(".deeds").append(...deeds(person, other, find(".echo")));
  wireNetwork(find<HTMLButtonElement>(".network"), find(".cut-note"), element, person);
  person.notifier.subscribe(({ link }) => {
    find(".link").textContent = link ? TRANSPORT_NAMES[link] : "Offline";
  });
  find(".echo").textContent = `Whatever ${person.name} does here rings ${other.name}’s bell at once.`;
  const bell = find<HTMLElementTagNameMap["notifier-bell"]>("notifier-bell");
  bell.notifier = person.notifier;
  find<HTMLElementTagNameMap["notifier-toasts"]>("notifier-toasts").notifier = person.notifier;
  find(".app").append(life(person, () => void bell.showPreferences()));
  element.addEventListener("notifier-select", (event) => {
    // A real application would go there; the demo stays and says where that would be.
    event.preventDefault();
    const { url, title } = (event as CustomEvent<Item>).detail;
    find(".echo").textContent = url ? `The app opens ${url}` : `“${title}” was opened`;
  });
  return element;
}

function deeds(person: Person, other: Neighbour, echo: HTMLElement): HTMLElement[] {
  const button = (label: string, drafts: readonly Omit<Draft, "to">[], then = "") =>
    press(label, "deed", async () => {
      try {
        for (const draft of drafts) await person.publish({ ...draft, to: `user:${other.id}` });
        echo.textContent = `${other.name} was notified${then}`;
      } catch (error) {
        echo.textContent = (error as Error).message;
      }
    });
  const sender = { id: person.id, name: person.name, avatar: person.avatar };
  const own = DEEDS.map(({ label, draft }) => button(label, [{ ...draft(person.name), sender }]));
  const like = DEEDS[0]!.draft;
  const crowd = CROWD.map((name) => ({ ...like(name), sender: { id: name.toLowerCase(), name } }));
  return [...own, button(`${crowd.length} likes`, crowd, "; in ten seconds the likes are one card")];
}

function wireNetwork(button: HTMLButtonElement, note: HTMLElement, element: HTMLElement, { name, notifier }: Person) {
  button.addEventListener("click", () => {
    const cut = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(cut));
    button.textContent = cut ? "Reconnect" : "Cut network";
    note.textContent = cut ? `${name} is offline. What is sent now arrives, in order, on reconnecting.` : "";
    element.classList.toggle("cut", cut);
    if (cut) notifier.disconnect();
    else notifier.connect();
  });
}
