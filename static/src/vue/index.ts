/** A plugin and composables for Vue 3.5 and later. */
import { type App, type InjectionKey, type Plugin, type ShallowRef, inject, onScopeDispose, shallowRef } from "vue";
import { type Notifier, type NotifierOptions, type Snapshot, createNotifier } from "../index.ts";

const KEY: InjectionKey<Notifier> = Symbol("notifier");

/**
 * Gives a notifier to the components of an application: `app.use(createNotifierPlugin({ getToken }))`. One made from
 * options is connected while the application is mounted, and never on a server. One that the application has made,
 * `{ notifier }`, is left to the application to connect and to disconnect.
 */
export function createNotifierPlugin(given: NotifierOptions | { notifier: Notifier }): Plugin<[]> {
  return {
    install(app) {
      if ("notifier" in given) return void app.provide(KEY, given.notifier);
      const notifier = createNotifier({ ...given, connect: false });
      app.provide(KEY, notifier);
      connectWhileMounted(app, notifier);
    },
  };
}

/** The notifier itself, for actions: `markRead`, `dismiss`, `loadMore`... */
export function useNotifier(): Notifier {
  const notifier = inject(KEY, undefined);
  if (!notifier) throw new Error("app.use(createNotifierPlugin(...)) is missing.");
  return notifier;
}

/** All there is to show; another value after every change. */
export function useNotifications(): Readonly<ShallowRef<Snapshot>> {
  return useSelected((snapshot) => snapshot);
}

/** How many notifications are unread. */
export function useUnreadCount(): Readonly<ShallowRef<number>> {
  return useSelected(({ unread }) => unread);
}

/** Follows the notifier until the component, or the effect scope, ends. */
function useSelected<T>(select: (snapshot: Snapshot) => T): Readonly<ShallowRef<T>> {
  const notifier = useNotifier();
  const selected = shallowRef(select(notifier.snapshot));
  // A server renders once, and never ends the scopes of what it has rendered.
  if (typeof document !== "undefined") {
    onScopeDispose(notifier.subscribe((snapshot) => (selected.value = select(snapshot))));
  }
  return selected;
}

/** Connects only after mounting: a page from a server is taken over as it was rendered. */
function connectWhileMounted(app: App, notifier: Notifier): void {
  const { mount } = app;
  app.mount = (...page) => {
    const root = mount(...page);
    notifier.connect();
    return root;
  };
  app.onUnmount(() => notifier.disconnect());
}
