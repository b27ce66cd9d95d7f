import { NotifierElement } from "../elements/element.ts";
import { button, h, keepFocus, setText } from "../elements/dom.ts";
import type { Notifier } from "../client/notifier.ts";
import type { NotifierError } from "../client/errors.ts";
import type { PreferencesChange } from "../client/preferences.ts";
import type { Snapshot } from "../client/snapshot.ts";
import { preferences as english } from "../locales/en-preferences.ts";
import type { Messages, PreferenceMessages } from "../locales/messages.ts";
import { digestTime } from "./digests.ts";
import { grid } from "./grid.ts";
import { minimum } from "./limits.ts";
import { pause } from "./pause.ts";
import preferencesCss from "./preferences.css?inline";
import { quiet } from "./quiet.ts";
import type { Section } from "./section.ts";
import { sound } from "./sound.ts";

const BONES = 6;
/** Long enough to be noticed. */
const SAVED_MS = 2_000;

/**
 * `<notifier-preferences>`: what reaches the user, where and when. Give it a notifier:
 * `element.notifier = notifier`. Changes show at once, are taken back when the server refuses them, and
 * follow what other devices choose.
 */
export class NotifierPreferences extends NotifierElement {
  #sections: readonly Section[] = [];
  #body: HTMLElement | undefined;
  #status: HTMLElement | undefined;
  #words: PreferenceMessages = english;
  #saving = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super(preferencesCss);
  }

  protected override build(messages: Messages): void {
    this.#words = messages.preferences ?? english;
    const desk = {
      words: this.#words,
      language: messages.language,
      now: () => this.notifier!.snapshot.preferences,
      change: (change: PreferencesChange) => void this.#save(change),
      say: (text: string) => this.#say("said", text),
    };
    this.#sections = [pause, grid, digestTime, quiet, minimum, sound].map((make) => make(desk));
    this.#status = h("div", { class: "status", part: "status", role: "status" });
    this.#body = h("div", { class: "body", tabindex: "-1", "aria-busy": "true" }, ...skeleton());
    this.root.replaceChildren(this.#body, this.#status);
  }

  protected override bind(_: Notifier): void {}

  protected override render({ preferences }: Snapshot): void {
    if (!preferences || !this.#body) return;
    if (this.#body.hasAttribute("aria-busy")) {
      this.#body.removeAttribute("aria-busy");
      this.#body.replaceChildren(...this.#sections.map(({ element }) => element));
    }
    const types = this.notifier!.types;
    const update = () => this.#sections.forEach((section) => section.update(preferences, types));
    keepFocus(this.#body, update, () => this.#body);
  }

  async #save(change: PreferencesChange): Promise<void> {
    const { notifier } = this;
    this.#saving++;
    this.#say("saving", this.#words.saving);
    try {
      await notifier?.setPreferences(change);
      // What was said meanwhile, or failed, is not yet read.
      if (this.#saving === 1 && this.#status!.dataset["state"] === "saving") this.#say("saved", this.#words.saved);
    } catch (error) {
      if (this.notifier !== notifier) return; // nothing of the last user's is for the next
      const isUnknown = (error as NotifierError).code === "timeout";
      const again = button({ class: "plain" }, () => void this.#save(change), this.#words.retry);
      this.#say("failed", isUnknown ? this.messages!.actionFailed.unknown : this.#words.failed, again);
    } finally {
      this.#saving--;
      // A refused change was taken back before anybody could see it: the control itself shows it still.
      this.schedule();
    }
  }

  #say(state: string, text: string, action?: HTMLElement): void {
    const status = this.#status!;
    status.dataset["state"] = state;
    const words = status.querySelector("span") ?? h("span");
    setText(words, text);
    keepFocus(status, () => status.replaceChildren(words, ...(action ? [action] : [])), () => this.#body);
    clearTimeout(this.#timer);
    if (state === "saved") this.#timer = setTimeout(() => this.#hush(), SAVED_MS);
  }

  #hush(): void {
    delete this.#status!.dataset["state"];
    this.#status!.replaceChildren();
  }
}

function skeleton(): HTMLElement[] {
  return Array.from({ length: BONES }, () => h("div", { class: "bone", "aria-hidden": "true" }));
}
