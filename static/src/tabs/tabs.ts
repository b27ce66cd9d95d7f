import type { ActionName, Requests } from "../client/protocol.ts";
import type { LinkFactory } from "../links/link.ts";

/** What a user does in one tab, and sees in all. */
export type Action = {
  [N in ActionName | "set_preferences"]: { name: N; args: Requests[N][0] };
}[ActionName | "set_preferences"];

/** What the tabs of one user in one browser have in common, as one of them sees it. */
export interface Tabs {
  /** This is the tab that shows toasts and plays the sound. */
  readonly presents: boolean;
  /** This is the tab that holds the connection. */
  readonly leads: boolean;
  /** Of all links made of this one, only that of the leading tab is open; the others go through it. */
  share(open: LinkFactory): LinkFactory;
  /** `shows` has changed. */
  stand(): void;
  /** These toasts were closed here. */
  closeToasts(ids: readonly string[]): void;
}

export interface TabsListener {
  /** `presents` or `leads` changed. */
  changed(): void;
  /** Another tab asked this of the server. */
  acted(action: Action, outcome: Promise<unknown>): void;
  toastsClosed(ids: readonly string[]): void;
  /** Whether there is something here to show toasts with. */
  shows(): boolean;
}

export type JoinTabs = (listener: TabsListener) => Tabs;

/** Without others. */
export const ALONE: JoinTabs = () => ({
  presents: true,
  leads: true,
  share: (open) => open,
  stand: () => undefined,
  closeToasts: () => undefined,
});
