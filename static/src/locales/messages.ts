import type { ConnectionState } from "../client/connection.ts";
import type { Priority } from "../client/protocol.ts";

/** One text in each of a language's plural forms; `{count}` stands for the number. */
export type Forms = Readonly<Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }>;

/** Everything the elements say, in one language. Words in braces are filled in. */
export interface Messages {
  /** BCP 47, for times, numbers and plural forms. */
  language: string;
  /** What the bell is called, and what when something is unread: with the number, as it is seen on it. */
  bell: string;
  bellUnread: Forms;
  heading: string;
  connection: Readonly<Record<ConnectionState, string>>;
  priority: Readonly<Record<Priority, string>>;
  unread: string;
  earlier: string;
  markRead: string;
  markUnread: string;
  dismiss: string;
  markAllRead: string;
  clearAll: string;
  cleared: string;
  undo: string;
  close: string;
  back: string;
  older: string;
  loading: string;
  empty: Readonly<{ title: string; text: string }>;
  offline: Readonly<{ title: string; text: string }>;
  signedOut: Readonly<{ title: string; text: string }>;
  failed: Readonly<{ title: string; retry: string }>;
  /** `unknown`: no answer came. */
  actionFailed: Readonly<{ offline: string; unknown: string; other: string }>;
  toasts: string;
  group: Forms;
  /** A group of a type with a label: `{label}`. */
  groupOf: Forms;
  summary: Forms;
  open: string;
  acknowledge: string;
  /** How many critical ones follow. */
  more: Forms;
  settings: string;
  /** What the preferences panel says; in its own file for English, which the elements bring along. */
  preferences?: PreferenceMessages;
}

/** What `<notifier-preferences>` says. */
export interface PreferenceMessages {
  types: string;
  type: string;
  channels: Readonly<{ bell: string; toast: string; browser: string; push: string }>;
  /** Accessible name of one switch: `{type}`, `{channel}`. */
  cell: string;
  /** Of a type that cannot be switched off. */
  mandatory: string;
  delivery: string;
  digests: Readonly<Record<"off" | "hourly" | "daily", string>>;
  digestAt: string;
  digestHint: string;
  permission: Readonly<{ ask: string; allow: string; denied: string }>;
  pause: string;
  pauses: Readonly<{ hour: string; morning: string; week: string }>;
  /** `{time}` */
  pausedUntil: string;
  resume: string;
  minimum: string;
  minimumHint: string;
  priorities: Readonly<Record<Priority, string>>;
  quiet: string;
  quietHint: string;
  addQuiet: string;
  removeQuiet: string;
  from: string;
  to: string;
  days: string;
  overnight: string;
  wholeDay: string;
  noDay: string;
  timeZone: string;
  /** `{zone}` */
  thisDevice: string;
  sound: string;
  soundHint: string;
  saving: string;
  saved: string;
  failed: string;
  retry: string;
}

/** The template with its words in braces filled in. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (word, name: string) => values[name] ?? word);
}

/** The form that fits the number. `values` fills in what else stands in braces, or another way to write the number. */
export function counted(
  { language }: Messages,
  forms: Forms,
  count: number,
  values: Readonly<Record<string, string>> = {},
): string {
  const form = forms[new Intl.PluralRules(language).select(count)] ?? forms.other;
  return fill(form, { count: written(language, count), ...values });
}

/** The number as the language writes it. */
export function written(language: string, count: number): string {
  return new Intl.NumberFormat(language).format(count);
}
