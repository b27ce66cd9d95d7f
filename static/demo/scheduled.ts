import { make, press } from "./dom.ts";
import type { Person, Published } from "./session.ts";

const SECOND = 1_000;

/** What is still to be delivered: how long it takes, and a way to stop it. */
export class Scheduled {
  readonly element = make("ul", "scheduled");

  constructor(private readonly say: (text: string) => void) {}

  add({ id, deliver_at }: Published, label: string, publisher: Person): void {
    const due = Date.parse(deliver_at ?? "");
    const left = make("span", "left");
    const stop = () => clearInterval(clock);
    const cancel = press("Cancel", "cancel", async () => {
      try {
        await publisher.cancel(id);
        this.say(`${label} cancelled: nobody will see it`);
      } catch (error) {
        this.say((error as Error).message);
      }
      stop();
      line.remove();
    });
    const line = make("li", "", make("strong", "", label), left, cancel);
    const tick = () => {
      const seconds = Math.ceil((due - Date.now()) / SECOND);
      left.textContent = `in ${seconds} s`;
      if (seconds > 0) return;
      stop();
      line.remove();
    };
    const clock = setInterval(tick, SECOND / 4);
    tick();
    this.element.append(line);
  }
}
