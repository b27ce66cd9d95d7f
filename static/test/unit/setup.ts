/** happy-dom throws where the focus is in another shadow tree; browsers answer null. */
function mendActiveElement({ prototype }: typeof ShadowRoot): void {
  const place = Object.hasOwn(prototype, "activeElement") ? prototype : Object.getPrototypeOf(prototype);
  const { get } = Object.getOwnPropertyDescriptor(place, "activeElement")!;
  Object.defineProperty(prototype, "activeElement", {
    configurable: true,
    get(this: ShadowRoot) {
      try {
        return get!.call(this);
      } catch {
        return null;
      }
    },
  });
}

if ("ShadowRoot" in globalThis) mendActiveElement(ShadowRoot);
