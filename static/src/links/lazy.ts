import { NotifierError, asProblem } from "../client/errors.ts";
import type { Link, LinkFactory } from "./link.ts";

/** A link whose code is fetched when it is wanted: few networks need more than the first way to the server. */
export function lazyLink(load: () => Promise<LinkFactory>): LinkFactory {
  return (url, credentials, listener) => {
    let link: Link | undefined;
    let attempt = 0;
    const open = async () => {
      const mine = ++attempt;
      const factory = await load().catch((error) => void (mine === attempt && listener.refused(asProblem(error))));
      if (!factory || mine !== attempt) return;
      link ??= factory(url, credentials, listener);
      link.open();
    };
    return {
      open: () => void open(),
      close: () => {
        attempt++;
        link?.close();
      },
      request: async (name, args) => {
        if (!link) throw new NotifierError("offline", "There is no connection.");
        return link.request(name, args);
      },
    };
  };
}
