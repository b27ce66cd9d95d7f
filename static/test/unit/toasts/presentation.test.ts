import { expect, test } from "vitest";
import { NEUTRAL } from "../../../src/client/catalogue.ts";
import type { Priority } from "../../../src/client/protocol.ts";
import { present } from "../../../src/toasts/presentation.ts";
import { entry } from "../builders.ts";

function shown(priority: Priority, info = NEUTRAL) {
  return present(entry("1@user:42", { priority }), info);
}

test("each priority has its look: short toast, toast, toast that stays, dialog", () => {
  expect((["low", "normal", "high", "critical"] as const).map((priority) => shown(priority))).toEqual([
    { as: "toast", stays: 4_000 },
    { as: "toast", stays: 6_000 },
    { as: "toast", stays: undefined },
    { as: "modal" },
  ]);
});

test("a type may ask for a dialog", () => {
  expect(shown("normal", { ...NEUTRAL, display: ["bell", "modal"] })).toEqual({ as: "modal" });
});

test("a toast with actions stays", () => {
  const asking = entry("1@user:42", { actions: [{ label: "Reply", url: "/chat" }] });
  expect(present(asking, NEUTRAL)).toEqual({ as: "toast", stays: undefined });
});
