"use client";
/** Hooks for React 18 and later; the elements as JSX need React 19, which sets their properties. */
import {
  type DetailedHTMLProps,
  type HTMLAttributes,
  type ReactNode,
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from "react";
import type { NotifierBell } from "../elements/bell.ts";
import type { NotifierElement } from "../elements/element.ts";
import type { NotifierToasts } from "../elements/toasts.ts";
import type { NotifierPreferences } from "../preferences/preferences.ts";
import { type Item, type Notifier, type NotifierOptions, type Snapshot, createNotifier } from "../index.ts";

const NotifierContext = createContext<Notifier | undefined>(undefined);

/** The options of one user's notifier; or a notifier of the application's own. */
export type NotifierProviderProps = (NotifierOptions | { notifier: Notifier }) & { children?: ReactNode };

/**
 * Gives a notifier to the components inside. One made from options is connected while the provider is mounted, and
 * never on a server; the options are taken once, so give the provider a `key`, such as the user's id. One that the
 * application has made is left to the application to connect and to disconnect.
 */
export function NotifierProvider({ children, ...given }: NotifierProviderProps): ReactNode {
  const [made] = useState(() => ("notifier" in given ? undefined : createNotifier({ ...given, connect: false })));
  useEffect(() => {
    made?.connect();
    return () => made?.disconnect();
  }, [made]);
  const value = "notifier" in given ? given.notifier : made;
  return createElement(NotifierContext.Provider, { value }, children);
}

/** The notifier itself, for actions: `markRead`, `dismiss`, `loadMore`... Always the same object. */
export function useNotifier(): Notifier {
  const notifier = useContext(NotifierContext);
  if (!notifier) throw new Error("There is no <NotifierProvider> around this component.");
  return notifier;
}

/** All there is to show; rendered again after every change. */
export function useNotifications(): Snapshot {
  return useSelected((snapshot) => snapshot);
}

/** How many notifications are unread; rendered again only when the number changes. */
export function useUnreadCount(): number {
  return useSelected(({ unread }) => unread);
}

/** `select` gives a part of the snapshot, or a value that is compared by content. */
function useSelected<T>(select: (snapshot: Snapshot) => T): T {
  const notifier = useNotifier();
  const subscribe = useCallback((changed: () => void) => notifier.subscribe(changed), [notifier]);
  return useSyncExternalStore(subscribe, () => select(notifier.snapshot), () => select(untouched()));
}

let nothing: Snapshot | undefined;

/** What a server renders and a browser takes over: nobody has connected yet. */
function untouched(): Snapshot {
  return (nothing ??= createNotifier({ token: "none", connect: false }).snapshot);
}

type ElementProps<E extends NotifierElement> = DetailedHTMLProps<HTMLAttributes<E>, E> & {
  notifier?: Notifier;
  messages?: E["messages"];
  "onnotifier-select"?: (event: CustomEvent<Item>) => void;
  "onnotifier-open"?: (event: CustomEvent<Notifier>) => void;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "notifier-bell": ElementProps<NotifierBell>;
      "notifier-toasts": ElementProps<NotifierToasts>;
      "notifier-preferences": ElementProps<NotifierPreferences>;
    }
  }
}
