/** A page with the elements and a scripted notifier of user 42. */
import { vi } from "vitest";
import type { Notifier } from "../../../src/client/notifier.ts";
import { DEFAULT_PREFERENCES } from "../../../src/client/preferences.ts";
import type { FeedEntry } from "../../../src/client/protocol.ts";
import { NotifierBell, NotifierToasts } from "../../../src/elements/index.ts";
import { page } from "../builders.ts";
import { Script, settle } from "../script.ts";

export interface Stage {
  script: Script;
  notifier: Notifier;
  bell: NotifierBell;
  toasts: NotifierToasts;
  /** The one element in the bell that fits. */
  inBell<E extends HTMLElement>(selector: string): E;
  inToasts<E extends HTMLElement>(selector: string): E;
}

/** Online, with these in the feed. */
export async function stage(items: readonly FeedEntry[] = []): Promise<Stage> {
  // A frame ends with the turn, so that `settle` is enough.
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => queueMicrotask(draw));
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: { message: { label: "Messages" } } })));
  const script = new Script();
  const notifier = script.notifier();
  const bell = document.createElement("notifier-bell");
  const toasts = document.createElement("notifier-toasts");
  bell.notifier = notifier;
  toasts.notifier = notifier;
  document.body.replaceChildren(bell, toasts);
  const preferences = DEFAULT_PREFERENCES;
  await script.online("user:42=3", { preferences, counts: { unread: items.length, unseen: items.length } });
  await script.next("feed").answer(page(items, "user:42=3"));
  return {
    script,
    notifier,
    bell,
    toasts,
    inBell: (selector) => bell.shadowRoot!.querySelector(selector)!,
    inToasts: (selector) => toasts.shadowRoot!.querySelector(selector)!,
  };
}

export async function leave({ notifier }: Stage): Promise<void> {
  document.body.replaceChildren();
  notifier.disconnect();
  await settle();
  vi.unstubAllGlobals();
}

export function press(target: HTMLElement, key: string): void {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true }));
}
