import type { Notifier } from "../client/notifier.ts";
import type { Snapshot } from "../client/snapshot.ts";
import type { Item } from "../inbox/inbox.ts";
import { Alerts } from "./alerts.ts";
import { present } from "./presentation.ts";
import { type Toast, ToastQueue } from "./queue.ts";
import { Sound } from "./sound.ts";

/**
 * What a notifier's arrivals look like outside the bell: toasts, criticals to acknowledge, a sound, and browser
 * notifications while the page is hidden. Follows the inbox: what is dealt with anywhere goes away here.
 * Every tab of a browser keeps the same toasts; only the one that presents shows them.
 */
export class Presenter {
  readonly #queue: ToastQueue;
  readonly #alerts = new Alerts();
  readonly #sound = new Sound();
  readonly #endings: readonly (() => void)[];
  #critical: readonly Item[] = [];
  #presents = true;

  constructor(
    private readonly notifier: Notifier,
    private readonly changed: () => void,
  ) {
    this.#queue = new ToastQueue(changed, (items) => notifier.closeToasts(items));
    this.#endings = [
      notifier.on("notification", ({ item }) => this.#arrive(item)),
      notifier.on("toastsClosed", ({ ids }) => this.#close(ids)),
      notifier.subscribe((snapshot) => this.#follow(snapshot)),
      notifier.enterStage(),
    ];
    this.#take(notifier.snapshot.presents);
  }

  /** The toasts on the screen; the urgent first. */
  get toasts(): readonly Toast[] {
    return this.#presents ? this.#queue.visible : [];
  }

  /** What must be acknowledged, oldest first. */
  get critical(): readonly Item[] {
    return this.#presents ? this.#critical : [];
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
    this.notifier.closeToasts([item]);
    this.#acknowledged([item.notification_id]);
    await this.notifier.markRead([item.id]);
  }

  stop(): void {
    for (const end of this.#endings) end();
    this.#queue.clear();
    this.#sound.stop();
    this.#alerts.clear();
  }

  #arrive(item: Item): void {
    const { toast, browser } = this.notifier.displayOf(item);
    if (toast.allowed) this.#show(item);
    if (this.#presents && browser.allowed) this.#alerts.show(item);
    const isHeard = toast.allowed || browser.allowed;
    if (this.#presents && isHeard && this.notifier.snapshot.preferences.sound) this.#sound.play();
    this.changed();
  }

  #show(item: Item): void {
    const info = this.notifier.typeInfo(item.type);
    const presentation = present(item, info);
    if (presentation.as === "modal") this.#critical = [...this.#critical, item];
    else this.#queue.push(item, info, presentation.stays);
  }

  /** The user has come to this tab, or gone to another. */
  #take(presents: boolean): void {
    this.#presents = presents;
    this.hold("elsewhere", !presents);
  }

  #close(ids: readonly string[]): void {
    this.#queue.drop(ids);
    this.#acknowledged(ids);
  }

  #acknowledged(ids: readonly string[]): void {
    this.#critical = this.#critical.filter((item) => !ids.includes(item.notification_id));
    this.changed();
  }

  #follow({ items, loaded, presents }: Snapshot): void {
    if (presents !== this.#presents) this.#take(presents);
    if (!loaded) return;
    const now = new Map(items.map((item) => [item.notification_id, item]));
    const find = (item: Item) => now.get(item.notification_id);
    this.#queue.reconcile(find);
    this.#critical = this.#critical.filter((item) => find(item)?.read === false);
    this.#alerts.reconcile(find);
  }
}
