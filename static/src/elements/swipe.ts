/** Far enough to be meant, in CSS pixels. */
const FAR = 70;
/** Below this it may still be a click. */
const SLOP = 6;

/** Lets a finger or mouse push an element sideways; `away` is called when it was meant. */
export function swipeable(element: HTMLElement, away: () => void): void {
  let start: number | undefined;
  const end = (moved: number) => {
    element.classList.remove("dragged");
    element.style.removeProperty("--_drag");
    start = undefined;
    if (Math.abs(moved) > SLOP) preventClick(element);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button === 0) start = event.clientX;
  });
  element.addEventListener("pointermove", (event) => {
    if (start === undefined) return;
    const moved = event.clientX - start;
    if (Math.abs(moved) < SLOP && !element.classList.contains("dragged")) return;
    element.setPointerCapture(event.pointerId);
    element.classList.add("dragged");
    element.style.setProperty("--_drag", `${moved}px`);
  });
  element.addEventListener("pointerup", (event) => {
    if (start === undefined) return;
    const moved = event.clientX - start;
    end(moved);
    if (Math.abs(moved) > FAR) away();
  });
  element.addEventListener("pointercancel", () => end(0));
}

/** The click that ends a drag is not a click on what happens to lie under it. */
function preventClick(element: HTMLElement): void {
  const stop = (event: Event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  element.addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => element.removeEventListener("click", stop, { capture: true }));
}
