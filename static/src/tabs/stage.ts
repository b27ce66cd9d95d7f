import type { Attention, TabId } from "./messages.ts";

/** How much attention this tab has now. */
export function attention(): Attention {
  if (document.visibilityState !== "visible") return 0;
  return document.hasFocus() ? 2 : 1;
}

/** Knows of every tab how much attention it has; the one with the most is on stage. */
export class Stage {
  /** The latest change last. */
  readonly #tabs = new Map<TabId, Attention>();

  note(tab: TabId, attention: Attention): void {
    if (this.#tabs.get(tab) === attention) return;
    this.#tabs.delete(tab);
    this.#tabs.set(tab, attention);
  }

  forget(tab: TabId): void {
    this.#tabs.delete(tab);
  }

  clear(): void {
    this.#tabs.clear();
  }

  /** Of several with the same attention the latest to get it; if all are in the background, the leader. */
  holder(leader: TabId): TabId {
    let holder = leader;
    let most: Attention = 0;
    for (const [tab, attention] of this.#tabs) {
      if (attention > 0 && attention >= most) [holder, most] = [tab, attention];
    }
    return holder;
  }
}
