import type { Item } from "../inbox/inbox.ts";

/** Notifications of the browser itself, for a page in the background; closed when dealt with anywhere. */
export class Alerts {
  readonly #shown = new Map<string, { item: Item; alert: Notification }>();

  /** Shows it outside the page, if the page is hidden and its user allowed that. */
  show(item: Item): void {
    if (document.visibilityState === "visible" || !("Notification" in globalThis)) return;
    if (Notification.permission !== "granted") return;
    const alert = notificationOf(item);
    if (!alert) return;
    alert.onclick = () => {
      window.focus();
      this.#close(item.notification_id);
    };
    this.#shown.set(item.notification_id, { item, alert });
  }

  /** Closes what was dealt with in the inbox. */
  reconcile(find: (item: Item) => Item | undefined): void {
    for (const [id, { item }] of this.#shown) {
      if (find(item)?.read !== false) this.#close(id);
    }
  }

  /** Closes all: they are of a user who may be gone. */
  clear(): void {
    for (const id of [...this.#shown.keys()]) this.#close(id);
  }

  #close(id: string): void {
    this.#shown.get(id)?.alert.close();
    this.#shown.delete(id);
  }
}

/** Undefined where only service workers may show them, as on Android. */
function notificationOf(item: Item): Notification | undefined {
  try {
    return new Notification(item.title, {
      tag: item.notification_id,
      requireInteraction: true,
      ...(item.body ? { body: item.body } : {}),
    });
  } catch {
    return undefined;
  }
}
