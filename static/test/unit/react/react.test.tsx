import { type ReactNode, StrictMode, act } from "react";
import { type Root, createRoot, hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notifier } from "../../../src/client/notifier.ts";
import { NotifierProvider, useNotifications, useNotifier, useUnreadCount } from "../../../src/react/index.ts";
import { entry, feedEntry, page } from "../builders.ts";
import { Script } from "../script.ts";

let root: Root | undefined;
const container = document.createElement("div");
const complaints = vi.spyOn(console, "error");

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: {} })));
  complaints.mockClear();
});

afterEach(async () => {
  await act(() => root?.unmount());
  root = undefined;
  container.replaceChildren();
  vi.unstubAllGlobals();
  expect(complaints).not.toHaveBeenCalled();
});

function render(tree: ReactNode): Promise<void> {
  root ??= createRoot(container);
  return act(async () => root!.render(tree));
}

async function online(script: Script, ...ids: string[]): Promise<void> {
  await script.online("user:42=9", { counts: { unread: ids.length, unseen: ids.length } });
  await script.next("feed").answer(page(ids.map((id) => feedEntry(id)), "user:42=9"));
}

function List(): ReactNode {
  const { items } = useNotifications();
  const notifier = useNotifier();
  return (
    <ul>
      {items.map(({ id, title, read }) => (
        <li key={id} className={read ? "read" : "unread"} onClick={() => notifier.markRead([id])}>
          {title}
        </li>
      ))}
    </ul>
  );
}

function Count({ rendered = () => {} }: { rendered?: (count: number) => void }): ReactNode {
  const unread = useUnreadCount();
  rendered(unread);
  return <b>{unread}</b>;
}

const shown = () => [...container.querySelectorAll("li")].map(({ textContent }) => textContent);

test("components show what arrives, and act", async () => {
  const script = new Script();
  await render(
    <NotifierProvider notifier={script.notifier()}>
      <Count />
      <List />
    </NotifierProvider>,
  );
  await act(() => online(script, "9@user:42"));
  await act(() => script.send("notification", entry("10@user:42", { title: "Lunch?" })));
  expect(shown()).toEqual(["Lunch?", "Title of 9@user:42"]);
  expect(container.querySelector("b")!.textContent).toBe("2");
  await act(() => container.querySelector("li")!.click());
  expect(container.querySelector("li")!.className).toBe("read");
  expect(container.querySelector("b")!.textContent).toBe("1");
  expect(script.next("mark_read").args).toEqual({ ids: ["10@user:42"] });
});

test("the count renders again only when it changes", async () => {
  const script = new Script();
  const counts: number[] = [];
  await render(
    <NotifierProvider notifier={script.notifier()}>
      <Count rendered={(count) => counts.push(count)} />
    </NotifierProvider>,
  );
  await act(() => online(script, "9@user:42"));
  await act(() => script.send("state", { counts: { unread: 1, unseen: 0 } }));
  await act(() => script.send("state", { counts: { unread: 0, unseen: 0 } }));
  expect(counts).toEqual([0, 1, 0]);
});

test("under StrictMode one notifier stays connected, until the provider is unmounted", async () => {
  const seen = new Set<Notifier>();
  const Watcher = () => (seen.add(useNotifier()), null);
  const getToken = () => new Promise<string>(() => {});
  await render(
    <StrictMode>
      <NotifierProvider url="http://server" getToken={getToken}>
        <Watcher />
      </NotifierProvider>
    </StrictMode>,
  );
  const [notifier] = seen;
  expect([seen.size, notifier!.snapshot.connection]).toEqual([1, "connecting"]);
  await render(null);
  expect(notifier!.snapshot.connection).toBe("offline");
});

test("another key is another user: the first one is disconnected", async () => {
  const seen = new Set<Notifier>();
  const Watcher = () => (seen.add(useNotifier()), null);
  const getToken = () => new Promise<string>(() => {});
  for (const user of ["ada", "grace"]) {
    await render(
      <NotifierProvider key={user} url="http://server" getToken={getToken}>
        <Watcher />
      </NotifierProvider>,
    );
  }
  expect([...seen].map((notifier) => notifier.snapshot.connection)).toEqual(["offline", "connecting"]);
});

test("the application's own notifier outlives the provider, which listens no longer", async () => {
  const script = new Script();
  const notifier = script.notifier();
  let listeners = 0;
  const subscribe = notifier.subscribe.bind(notifier);
  vi.spyOn(notifier, "subscribe").mockImplementation((listener) => {
    const end = subscribe(listener);
    listeners++;
    return () => (listeners--, end());
  });
  await render(
    <StrictMode>
      <NotifierProvider notifier={notifier}>
        <Count />
        <List />
      </NotifierProvider>
    </StrictMode>,
  );
  await act(() => online(script));
  expect(listeners).toBe(2);
  await render(null);
  expect([listeners, notifier.snapshot.connection]).toEqual([0, "online"]);
});

test("a server renders the empty inbox and connects nothing", () => {
  const connect = vi.spyOn(Notifier.prototype, "connect");
  const html = renderToString(
    <NotifierProvider token="token">
      <Count />
      <List />
    </NotifierProvider>,
  );
  expect(html).toBe("<b>0</b><ul></ul>");
  expect(connect).not.toHaveBeenCalled();
});

test("a page from a server is taken over without a difference, though much has arrived since", async () => {
  const script = new Script();
  const notifier = script.notifier();
  const tree = (
    <NotifierProvider notifier={notifier}>
      <Count />
      <List />
    </NotifierProvider>
  );
  container.innerHTML = renderToString(tree);
  await online(script, "9@user:42");
  const onRecoverableError = vi.fn();
  root = await act(() => hydrateRoot(container, tree, { onRecoverableError }));
  expect(shown()).toEqual(["Title of 9@user:42"]);
  expect(onRecoverableError).not.toHaveBeenCalled();
});

test("a hook without a provider says what is missing", () => {
  expect(() => renderToString(<Count />)).toThrow("<NotifierProvider>");
});
