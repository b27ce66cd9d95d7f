import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import { Alerts } from "./alerts.ts";
import { alertsOutside, present } from "./presentation.ts";
import { type Toast, ToastQueue } from "./queue.ts";

/**
 * What a notifier's arrivals look like outside the bell: toasts, criticals to acknowledge, and browser
 * notifications while the page is hidden. Follows the inbox: what is dealt with anywhere goes away here.
 */
export class Presenter {
  readonly #queue: ToastQueue;
  readonly #alerts = new Alerts();
  readonly #endings: readonly (() => void)[];
  #critical: readonly Item[] = [];

  constructor(
    private readonly notifier: Notifier,
    private readonly changed: () => void,
  ) {
    this.#queue = new ToastQueue(changed);
    this.#endings = [
      notifier.on("notification", ({ item }) => this.#arrive(item)),
      notifier.subscribe((snapshot) => this.#follow(snapshot)),
    ];
  }

  /** The toasts on the screen; the urgent first. */
  get toasts(): readonly Toast[] {
    return this.#queue.visible;
  }

  /** What must be acknowledged, oldest first. */
  get critical(): readonly Item[] {
    return this.#critical;
  }

  /** Closes a toast; its card stays in the bell. */
  close(toast: Toast): void {
    this.#queue.close(toast.key);
  }

  /** Stops the countdowns of all toasts for a reason (`hover`, `hidden`...), or no longer. */
  hold(reason: string, held: boolean): void {
    if (held) this.#queue.pause(reason);
    else this.#queue.resume(reason);
  }

  /** Does not come back, even if the server cannot be told now. */
  async acknowledge(item: Item): Promise<void> {
    this.#critical = this.#critical.filter((other) => other !== item);
    this.changed();
    await this.notifier.markRead([item.id]);
  }

  stop(): void {
    for (const end of this.#endings) end();
    this.#queue.clear();
  }

  #arrive(item: Item): void {
    const info = this.notifier.typeInfo(item.type);
    const presentation = present(item, info);
    if (presentation.as === "modal") this.#critical = [...this.#critical, item];
    if (presentation.as === "toast") this.#queue.push(item, info, presentation.stays);
    if (alertsOutside(item, info)) this.#alerts.show(item);
    this.changed();
  }

  #follow({ items, loaded }: Snapshot): void {
    if (!loaded) return;
    const now = new Map(items.map((item) => [item.notification_id, item]));
    const find = (item: Item) => now.get(item.notification_id);
    this.#queue.reconcile(find);
    this.#critical = this.#critical.filter((item) => find(item)?.read === false);
    this.#alerts.reconcile(find);
  }
}
