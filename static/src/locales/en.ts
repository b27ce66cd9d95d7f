/** Everything the elements say, in English. Other languages are objects of the same shape. */
export const en = {
  /** BCP 47, for times and numbers. */
  language: "en",
  bell: (unread: string) => (unread ? `Notifications, ${unread} unread` : "Notifications"),
  heading: "Notifications",
  connection: {
    online: "Live",
    connecting: "Connecting…",
    offline: "Offline",
    unauthenticated: "Signed out",
  },
  priority: { low: "", normal: "", high: "Important", critical: "Critical" },
  unread: "Unread",
  earlier: "Earlier",
  markRead: "Mark as read",
  markUnread: "Mark as unread",
  dismiss: "Dismiss",
  markAllRead: "Mark all as read",
  clearAll: "Clear all",
  cleared: "All notifications cleared",
  undo: "Undo",
  close: "Close",
  older: "Show older",
  loading: "Loading notifications",
  empty: { title: "You’re all caught up", text: "New notifications appear here the moment they happen." },
  offline: { title: "You’re offline", text: "What you missed arrives as soon as you’re back." },
  signedOut: { title: "Your session has ended", text: "Sign in again to see your notifications." },
  failed: { title: "Notifications couldn’t be loaded", retry: "Try again" },
  actionFailed: {
    offline: "You’re offline. Nothing was changed.",
    other: "That didn’t work. Nothing was changed.",
  },
  toasts: "New notifications, Alt+T",
  group: (count: string, label: string) => (label ? `${count} new · ${label}` : `${count} new notifications`),
  summary: (count: string) => `${count} new notifications`,
  open: "Open",
  acknowledge: "Acknowledge",
  more: (count: number) => (count === 1 ? "One more after this" : `${count} more after this`),
  justNow: "now",
};

export type Messages = typeof en;
