/** What the React and the Vue demo have in common: an application whose user is Grace, and what Ada does in it. */

interface Draft {
  label: string;
  title: string;
  type: string;
  body?: string;
  priority?: string;
}

/** One button each. */
export const DRAFTS: readonly Draft[] = [
  { label: "Message", type: "message", title: "Lunch at one?", body: "The place by the river has a table outside." },
  { label: "Like", type: "like", title: "Ada liked your photo" },
  { label: "Urgent", type: "order", priority: "high", title: "Your payment was declined" },
  { label: "Critical", type: "info", priority: "critical", title: "The building is being evacuated" },
];

/** For `getToken`: asked again whenever a token has expired. */
export async function fetchToken(user = "grace"): Promise<string> {
  const response = await fetch(`/demo/session?user=${user}`);
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return ((await response.json()) as { token: string }).token;
}

/** Ada tells Grace. A real application does this on its server. */
export async function publish({ label: _, ...draft }: Draft): Promise<void> {
  const response = await fetch("/v1/notifications", {
    method: "POST",
    headers: { Authorization: `Bearer ${await fetchToken("ada")}`, "Content-Type": "application/json" },
    body: JSON.stringify({ ...draft, to: "user:grace", sender: { id: "ada", name: "Ada" } }),
  });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
}
