import "@notifier/client/elements";
import { NotifierProvider, useNotifications, useNotifier, useUnreadCount } from "@notifier/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { DRAFTS, fetchToken, publish } from "./application.ts";

function Header() {
  const notifier = useNotifier();
  const unread = useUnreadCount();
  return (
    <header>
      <h1>Notifier in React</h1>
      <p className="count">{unread} unread</p>
      <notifier-bell notifier={notifier} />
    </header>
  );
}

function Deeds() {
  return (
    <section aria-label="Ada does">
      {DRAFTS.map((draft) => (
        <button key={draft.label} onClick={() => publish(draft)}>
          {draft.label}
        </button>
      ))}
    </section>
  );
}

/** A refused action is taken back and shown by the bell; there is nothing to add. */
function ignore(): void {}

function Inbox() {
  const notifier = useNotifier();
  const { items, connection, loaded, more, undoable } = useNotifications();
  const online = connection === "online";
  return (
    <>
      <section aria-label="Grace does">
        <button onClick={() => notifier.markAllRead().catch(ignore)}>Mark all read</button>
        <button onClick={() => notifier.clearAll()}>Clear all</button>
        <button disabled={!undoable} onClick={() => notifier.undoClear()}>
          Undo
        </button>
        <button onClick={() => (online ? notifier.disconnect() : notifier.connect())}>{online ? "Go offline" : "Go online"}</button>
      </section>
      <p className="state" role="status">
        {connection}
      </p>
      <ul>
        {items.map(({ id, title, sender, read }) => (
          <li key={id} className={read ? "read" : "unread"}>
            <span>
              {sender?.name}: <strong>{title}</strong>
            </span>
            <button onClick={() => (read ? notifier.markUnread([id]) : notifier.markRead([id])).catch(ignore)}>
              {read ? "Mark unread" : "Mark read"}
            </button>
            <button onClick={() => notifier.dismiss([id]).catch(ignore)}>Dismiss</button>
          </li>
        ))}
      </ul>
      {loaded && !items.length && <p className="empty">Nothing here. Let Ada do something.</p>}
      {more && <button onClick={() => notifier.loadMore().catch(ignore)}>Load more</button>}
    </>
  );
}

function Toasts() {
  return <notifier-toasts notifier={useNotifier()} />;
}

createRoot(document.querySelector("#app")!).render(
  <StrictMode>
    <NotifierProvider getToken={() => fetchToken()}>
      <Header />
      <Deeds />
      <Inbox />
      <Toasts />
    </NotifierProvider>
  </StrictMode>,
);
