import { type App, type Component, createApp, createSSRApp, defineComponent, effectScope, h, nextTick } from "vue";
import { renderToString } from "vue/server-renderer";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notifier } from "../../../src/client/notifier.ts";
import { createNotifierPlugin, useNotifications, useNotifier, useUnreadCount } from "../../../src/vue/index.ts";
import { entry, feedEntry, page } from "../builders.ts";
import { Script, settle } from "../script.ts";

let app: App | undefined;
const container = document.createElement("div");
const complaints = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];

beforeEach(() => {
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(Response.json({ types: {} })));
  for (const complaint of complaints) complaint.mockClear();
});

afterEach(() => {
  app?.unmount();
  app = undefined;
  container.replaceChildren();
  vi.unstubAllGlobals();
  for (const complaint of complaints) expect(complaint).not.toHaveBeenCalled();
});

function mount(component: Component, given: Parameters<typeof createNotifierPlugin>[0], create = createApp): void {
  app = create(component).use(createNotifierPlugin(given));
  app.mount(container);
}

async function online(script: Script, ...ids: string[]): Promise<void> {
  await script.online("user:42=9", { counts: { unread: ids.length, unseen: ids.length } });
  await script.next("feed").answer(page(ids.map((id) => feedEntry(id)), "user:42=9"));
  await nextTick();
}

const Bell = defineComponent(() => {
  const notifications = useNotifications();
  const unread = useUnreadCount();
  const notifier = useNotifier();
  const line = ({ id, title, read }: { id: string; title: string; read: boolean }) =>
    h("li", { class: read ? "read" : "unread", onClick: () => notifier.markRead([id]) }, title);
  return () => h("div", [h("b", unread.value), h("ul", notifications.value.items.map(line))]);
});

const shown = () => [...container.querySelectorAll("li")].map(({ textContent }) => textContent);
const never = () => new Promise<string>(() => {});

test("components show what arrives, and act", async () => {
  const script = new Script();
  mount(Bell, { notifier: script.notifier() });
  await online(script, "9@user:42");
  script.send("notification", entry("10@user:42", { title: "Lunch?" }));
  await nextTick();
  expect(shown()).toEqual(["Lunch?", "Title of 9@user:42"]);
  expect(container.querySelector("b")!.textContent).toBe("2");
  container.querySelector("li")!.click();
  await nextTick();
  expect(container.querySelector("li")!.className).toBe("read");
  expect(container.querySelector("b")!.textContent).toBe("1");
  await settle();
  expect(script.next("mark_read").args).toEqual({ ids: ["10@user:42"] });
});

test("the count renders again only when it changes", async () => {
  const script = new Script();
  const counts: number[] = [];
  const Count = defineComponent(() => {
    const unread = useUnreadCount();
    return () => (counts.push(unread.value), h("b", unread.value));
  });
  mount(Count, { notifier: script.notifier() });
  await online(script, "9@user:42");
  for (const unread of [1, 0]) {
    script.send("state", { counts: { unread, unseen: 0 } });
    await nextTick();
  }
  expect(counts).toEqual([0, 1, 0]);
});

test("a notifier is connected from mounting to unmounting", () => {
  let notifier: Notifier | undefined;
  const Watcher = defineComponent(() => {
    notifier = useNotifier();
    expect(notifier.snapshot.connection).toBe("offline");
    return () => null;
  });
  mount(Watcher, { url: "http://server", getToken: never });
  expect(notifier!.snapshot.connection).toBe("connecting");
  app!.unmount();
  app = undefined;
  expect(notifier!.snapshot.connection).toBe("offline");
});

test("the application's own notifier outlives it", async () => {
  const script = new Script();
  const notifier = script.notifier();
  mount(Bell, { notifier });
  await online(script);
  app!.unmount();
  app = undefined;
  expect(notifier.snapshot.connection).toBe("online");
});

test("a composable follows until its scope ends", async () => {
  const script = new Script();
  mount(defineComponent(() => () => null), { notifier: script.notifier() });
  const scope = effectScope();
  const unread = app!.runWithContext(() => scope.run(useUnreadCount))!;
  await online(script, "9@user:42");
  expect(unread.value).toBe(1);
  scope.stop();
  script.send("state", { counts: { unread: 0, unseen: 0 } });
  expect(unread.value).toBe(1);
});

test("a page from a server is the empty inbox, and is taken over without a difference", async () => {
  const connect = vi.spyOn(Notifier.prototype, "connect");
  const given = { url: "http://server", getToken: never };
  const html = await renderToString(createSSRApp(Bell).use(createNotifierPlugin(given)));
  expect(html).toBe("<div><b>0</b><ul></ul></div>");
  expect(connect).not.toHaveBeenCalled();
  container.innerHTML = html;
  mount(Bell, given, createSSRApp);
  expect(container.innerHTML).toBe(html);
  expect(connect).toHaveBeenCalledOnce();
});

test("a composable without the plugin says what is missing", () => {
  expect(() => createApp(Bell).runWithContext(useNotifier)).toThrow("createNotifierPlugin");
});
