import type { Attention, Standing, TabId } from "./messages.ts";

/** How much attention this tab has now. */
export function attention(): Attention {
  if (document.visibilityState !== "visible") return 0;
  return document.hasFocus() ? 2 : 1;
}

/** Knows of every tab how much attention it has; the one with the most that can show toasts is on stage. */
export class Stage {
  /** The latest change of attention last. */
  readonly #tabs = new Map<TabId, Standing>();

  note(tab: TabId, standing: Standing): void {
    if (this.#tabs.get(tab)?.attention !== standing.attention) this.#tabs.delete(tab);
    this.#tabs.set(tab, standing);
  }

  forget(tab: TabId): void {
    this.#tabs.delete(tab);
  }

  clear(): void {
    this.#tabs.clear();
  }

  /** Who presents: where no tab can show toasts, the one that would. */
  holder(leader: TabId): TabId {
    const able = [...this.#tabs].filter(([, { shows }]) => shows);
    return nearest(able, leader) ?? this.front(leader);
  }

  /** The tab that is nearest to the user. */
  front(leader: TabId): TabId {
    return nearest([...this.#tabs], leader) ?? leader;
  }
}

/** Of several with the same attention the latest to get it; if all are in the background, the leader if it is one. */
function nearest(tabs: readonly [TabId, Standing][], leader: TabId): TabId | undefined {
  let [holder] = tabs.find(([tab]) => tab === leader) ?? tabs.at(-1) ?? [];
  let least = 1;
  for (const [tab, { attention }] of tabs) {
    if (attention >= least) [holder, least] = [tab, attention];
  }
  return holder;
}
