import { expect, test } from "vitest";
import { Stage } from "../../../src/tabs/stage.ts";

function stage(...tabs: [string, 0 | 1 | 2, boolean?][]): Stage {
  const made = new Stage();
  for (const [tab, attention, shows = true] of tabs) made.note(tab, { attention, shows });
  return made;
}

test("a tab in use goes before one on the screen, that before one in the background", () => {
  expect(stage(["a", 0], ["b", 2], ["c", 1]).holder("a")).toBe("b");
  expect(stage(["a", 0], ["c", 1]).holder("a")).toBe("c");
});

test("with all in the background it is the leader", () => {
  expect(stage(["a", 0], ["b", 0]).holder("a")).toBe("a");
});

test("of two in use it is the one that came to be so last; saying it again changes nothing", () => {
  const both = stage(["a", 2], ["b", 2]);
  both.note("a", { attention: 2, shows: true });
  expect(both.holder("a")).toBe("b");
  both.note("a", { attention: 0, shows: true });
  both.note("a", { attention: 2, shows: true });
  expect(both.holder("b")).toBe("a");
});

test("a tab that is gone holds nothing", () => {
  const two = stage(["a", 1], ["b", 2]);
  two.forget("b");
  expect(two.holder("a")).toBe("a");
});

test("a tab without toasts holds nothing while another has some, but is the front", () => {
  const two = stage(["a", 0, false], ["b", 0], ["c", 2, false]);
  expect([two.holder("a"), two.front("a")]).toEqual(["b", "c"]);
  two.note("b", { attention: 0, shows: false });
  expect(two.holder("a")).toBe("c");
});
