import type { PollAnswer } from "../client/protocol.ts";
import { Deadline } from "./deadline.ts";
import { type Opening, httpLink } from "./http.ts";

/** Seconds that the server keeps a question without news; some proxies lose patience after 30. */
const WAIT = 25;
/** An answer so much later than it has to be will not come any more. */
const GRACE_MS = 10_000;
/** A burst is fetched together: a user may make 300 calls a minute, in all tabs. */
const PAUSE_MS = 1_000;

/** A link by long polling, for networks that let nothing pass but short answers. */
export const pollLink = httpLink({ transport: "poll", gapless: true }, async (opening) => {
  let news = await ask(opening, { since: opening.since, wait: 0 });
  let version = news.answer?.preferences?.version;
  opening.opened();
  while (!opening.signal.aborted) {
    if (news.answer) {
      tell(opening, news.answer, version);
      version = news.answer.preferences?.version;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    news = await ask(opening, { since: news.cursor, wait: WAIT }, news);
  }
});

interface Question {
  since: string | undefined;
  wait: number;
}

interface News {
  /** Undefined: there is nothing new. */
  answer: PollAnswer | undefined;
  cursor: string | undefined;
  /** Stands for the answer, in the next question. */
  tag: string | null;
}

async function ask({ rest, signal }: Opening, question: Question, last?: News): Promise<News> {
  const deadline = new Deadline(question.wait * 1_000 + GRACE_MS, signal);
  const headers: HeadersInit = last?.tag ? { "If-None-Match": last.tag } : {};
  try {
    const response = await rest.get("feed/poll", question, { headers, signal: deadline.signal });
    if (last && response.status === 304) return { ...last, answer: undefined };
    const answer = (await response.json()) as PollAnswer;
    return { answer, cursor: answer.cursor, tag: response.headers.get("ETag") };
  } finally {
    deadline.end();
  }
}

/** Each answer is told like a short connection: what was missed, and `synced`. */
function tell(opening: Opening, answer: PollAnswer, version: number | undefined): void {
  const { items, removed = [], cursor, unread, unseen, recovered, preferences } = answer;
  // They decide how what follows is shown.
  if (preferences && preferences.version !== version) opening.event("preferences", preferences);
  for (const entry of items) opening.event("notification", entry);
  if (removed.length) opening.event("removed", { ids: removed });
  opening.event("synced", { cursor, counts: { unread, unseen }, recovered, ...(preferences && { preferences }) });
}
