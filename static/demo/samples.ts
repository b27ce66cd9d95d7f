import type { Draft } from "./session.ts";

type Sample = Omit<Draft, "to" | "priority"> & {
  type: string;
  label: string;
  /** What the catalogue says about the type that can be seen by sending more. */
  hint?: string;
};

/** One notification of every type in the server's catalogue. */
export const SAMPLES: readonly Sample[] = [
  { type: "message", label: "Message", title: "Lunch at one?", body: "The place by the river has a table outside.", url: "/chat/7" },
  { type: "like", label: "Like", title: "Someone liked your photo", url: "/photos/12" },
  { type: "comment", label: "Comment", title: "New comment on your post", body: "“This is exactly how I would have built it.”", url: "/posts/3" },
  { type: "mention", label: "Mention", title: "You were mentioned in Engines", body: "@you should see the second diagram.", url: "/posts/9" },
  { type: "friend_request", label: "Friend request", title: "Charles wants to be friends", actions: [{ label: "See profile", url: "/people/charles" }] },
  { type: "order", label: "Order", title: "Your order is on its way", body: "Punched cards, 500 pieces. Arrives tomorrow.", url: "/orders/1843" },
  { type: "announcement", label: "Announcement", title: "Dark mode is here", body: "It follows your system, or choose it in settings.", url: "/news/dark-mode" },
  { type: "marketing", label: "Offer", hint: "More than three an hour are in the bell only.", title: "Two months for the price of one", body: "For everyone who joins a team this week.", url: "/offers" },
  { type: "system_alert", label: "System alert", hint: "For admins: Grace never gets it.", title: "Disk almost full on db-2", body: "91% used. At this rate it is full in four hours.", url: "/status" },
  { type: "security_alert", label: "Security alert", hint: "Nobody can switch these off.", title: "New sign-in from Lisbon", body: "Firefox on Linux, two minutes ago. Was this you?", url: "/security" },
  { type: "info", label: "Information", title: "Your export is ready", body: "412 photos, 1.2 GB.", url: "/exports/5" },
];

export const PRIORITIES = ["low", "normal", "high", "critical"] as const;
