import { expect, test } from "vitest";
import { NEUTRAL } from "../../../src/client/catalogue.ts";
import type { Priority } from "../../../src/client/protocol.ts";
import { alertsOutside, present } from "../../../src/toasts/presentation.ts";
import { entry } from "../builders.ts";

const QUIET = { ...NEUTRAL, priority: "normal" as const, display: ["bell"] };
const LOUD = { ...NEUTRAL, priority: "low" as const, display: ["bell", "toast", "browser"] };

function shown(priority: Priority, info = NEUTRAL) {
  return present(entry("1@user:42", { priority }), info);
}

test("each priority has its place: bell, toast, toast that stays, dialog", () => {
  expect((["low", "normal", "high", "critical"] as const).map((priority) => shown(priority))).toEqual([
    { as: "bell" },
    { as: "toast", stays: 6_000 },
    { as: "toast", stays: undefined },
    { as: "modal" },
  ]);
});

test("a type decides for its own priority", () => {
  expect([shown("normal", QUIET), shown("low", LOUD)]).toEqual([{ as: "bell" }, { as: "toast", stays: 4_000 }]);
});

test("a notification of another priority than its type's is shown as that priority is", () => {
  expect([shown("high", QUIET), shown("low", QUIET)]).toEqual([{ as: "toast", stays: undefined }, { as: "bell" }]);
});

test("what is critical is a dialog whatever its type says", () => {
  expect(shown("critical", { ...QUIET, priority: "critical" })).toEqual({ as: "modal" });
});

test("a toast with actions stays", () => {
  const asking = entry("1@user:42", { actions: [{ label: "Reply", url: "/chat" }] });
  expect(present(asking, NEUTRAL)).toEqual({ as: "toast", stays: undefined });
});

test("outside the page is shown what is critical, and types that ask for it", () => {
  const outside = (priority: Priority, info = NEUTRAL) => alertsOutside(entry("1@user:42", { priority }), info);
  expect([outside("normal"), outside("high"), outside("critical"), outside("low", LOUD)]).toEqual([
    false, false, true, true,
  ]);
});
