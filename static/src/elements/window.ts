import { type View, ViewList } from "./dom.ts";

/** How far beyond the edges rows are drawn, in CSS pixels: a flick of the wheel meets no blank. */
const MARGIN = 600;
/** A card of two lines; used until a row was measured. */
const USUAL_HEIGHT = 84;
/** Measuring may show that another row has to be drawn; twice is enough for a screen. */
const PASSES = 3;

export interface RowSource<T> {
  key(row: T): string;
  create(row: T): View<T>;
  /** The row is drawn, as this one of all; called after each update. */
  place(element: HTMLElement, row: T, index: number): void;
  leave(element: HTMLElement): void;
}

/**
 * A list of any length of which only the rows near the window of a scroller are in the document, and the one that
 * has the focus. Rows may be of any height. What is being read does not move when rows above it come, go or turn
 * out to be of another height.
 */
export class WindowedList<T> {
  #rows: readonly T[] = [];
  #keys: readonly string[] = [];
  #indices = new Map<string, number>();
  /** Where each row begins, and where the last one ends. */
  #tops: Float64Array = new Float64Array(1);
  #width = 0;
  readonly #heights = new Map<string, number>();
  readonly #drawn: ViewList<T>;

  constructor(
    private readonly scroller: HTMLElement,
    private readonly list: HTMLElement,
    private readonly source: RowSource<T>,
  ) {
    const leave = (element: HTMLElement, key: string) => {
      if (this.#indices.has(key)) element.remove();
      else source.leave(element);
    };
    this.#drawn = new ViewList<T>(list, source.key, source.create, leave);
    scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** These are the rows now; views of rows that are the same keep their elements. */
  update(rows: readonly T[]): void {
    const anchor = this.#anchor();
    this.#rows = rows;
    this.#keys = rows.map(this.source.key);
    this.#indices = new Map(this.#keys.map((key, index) => [key, index]));
    for (const key of this.#heights.keys()) if (!this.#indices.has(key)) this.#heights.delete(key);
    this.#draw(anchor);
  }

  /** The index of the row that this node is in, or -1. */
  indexOf(node: Node | null): number {
    const row = [...this.#drawn.entries()].find(([, element]) => element.contains(node));
    return row ? (this.#indices.get(row[0]) ?? -1) : -1;
  }

  /** Whether a part of the row can be seen. */
  isInView(index: number): boolean {
    const top = this.scroller.scrollTop - this.list.offsetTop;
    return index >= 0 && this.#tops[index + 1]! >= top && this.#tops[index]! <= top + this.scroller.clientHeight;
  }

  /** Scrolls as far as needed and gives the row's element. */
  reveal(index: number): HTMLElement | undefined {
    const key = this.#keys[index];
    if (key === undefined) return undefined;
    for (let pass = 0; pass < PASSES; pass++) {
      const [top, end] = [this.#tops[index]! + this.list.offsetTop, this.#tops[index + 1]! + this.list.offsetTop];
      const { scrollTop, clientHeight } = this.scroller;
      if (top < scrollTop) this.scroller.scrollTop = top;
      else if (end > scrollTop + clientHeight) this.scroller.scrollTop = end - clientHeight;
      else if (this.#drawn.element(key)) break;
      this.#draw();
    }
    return this.#drawn.element(key);
  }

  #draw(anchor = this.#anchor()): void {
    for (let pass = 0; pass < PASSES; pass++) {
      this.#layOut();
      const held = anchor && this.#indices.get(anchor.key);
      if (anchor && held !== undefined) {
        const top = this.#tops[held]! + this.list.offsetTop - anchor.above;
        if (Math.abs(top - this.scroller.scrollTop) >= 1) this.scroller.scrollTop = top;
      }
      this.#show(this.#wanted());
      if (!this.#measure()) break;
    }
  }

  /** The first row in view and how far above the edge it begins, unless the list's beginning is what is looked at. */
  #anchor(): { key: string; above: number } | undefined {
    const { scrollTop } = this.scroller;
    const top = scrollTop - this.list.offsetTop;
    if (scrollTop <= 0 || top < 0) return undefined;
    const index = this.#at(top);
    const key = this.#keys[index];
    return key === undefined ? undefined : { key, above: this.#tops[index]! - top };
  }

  #layOut(): void {
    const tops = new Float64Array(this.#keys.length + 1);
    this.#keys.forEach((key, index) => (tops[index + 1] = tops[index]! + (this.#heights.get(key) ?? USUAL_HEIGHT)));
    this.#tops = tops;
  }

  /** The last row that begins at or above this place. */
  #at(place: number): number {
    let [low, high] = [0, this.#keys.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle]! <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #wanted(): number[] {
    if (this.#keys.length === 0) return [];
    const top = this.scroller.scrollTop - this.list.offsetTop;
    const first = this.#at(top - MARGIN);
    const last = this.#at(top + this.scroller.clientHeight + MARGIN);
    const wanted = new Set(Array.from({ length: last - first + 1 }, (_, index) => first + index));
    const focused = this.indexOf((this.list.getRootNode() as ShadowRoot).activeElement);
    if (focused >= 0) wanted.add(focused);
    return [...wanted].sort((one, other) => one - other);
  }

  /** Rows that are not drawn are room in front of the next one that is. */
  #show(indices: readonly number[]): void {
    this.#drawn.update(indices.map((index) => this.#rows[index]!));
    let end = 0;
    for (const index of indices) {
      const element = this.#drawn.element(this.#keys[index]!)!;
      const gap = this.#tops[index]! - this.#tops[end]!;
      element.style.marginBlockStart = gap ? `${gap}px` : "";
      this.source.place(element, this.#rows[index]!, index);
      end = index + 1;
    }
    const rest = this.#tops.at(-1)! - this.#tops[end]!;
    this.list.style.paddingBlockEnd = rest ? `${rest}px` : "";
  }

  /** True when a row's height is not what it was taken for. What is not laid out has none. */
  #measure(): boolean {
    let changed = false;
    for (const [key, element] of this.#drawn.entries()) {
      const { height } = element.getBoundingClientRect();
      if (!height || Math.abs((this.#heights.get(key) ?? 0) - height) < 0.5) continue;
      changed ||= Math.abs((this.#heights.get(key) ?? USUAL_HEIGHT) - height) >= 0.5;
      this.#heights.set(key, height);
    }
    return changed;
  }

  /** In another width every text breaks elsewhere. */
  #resized(): void {
    const { clientWidth } = this.scroller;
    if (clientWidth !== this.#width) this.#heights.clear();
    this.#width = clientWidth;
    if (clientWidth) this.#draw();
  }
}
