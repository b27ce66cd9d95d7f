import { expect, test } from "vitest";
import { safeImage, safeUrl } from "../../../src/client/url.ts";

test.each(["https://example.com/a", "http://example.com", "/chat/7", "chat?x=1", "//example.com/x"])(
  "%s may be followed",
  (url) => expect(safeUrl(url)).toBe(url),
);

test.each([
  "javascript:alert(1)",
  "JAVASCRIPT:alert(1)",
  " \tjavascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,x",
  "blob:https://example.com/1",
  "vbscript:x",
  "file:///etc/passwd",
  "https://",
  "",
])("%j may not", (url) => expect(safeUrl(url)).toBeUndefined());

test("a picture may also be a data URL, but no other kind of data", () => {
  expect(safeImage("data:image/png;base64,AA==")).toBeDefined();
  expect(safeImage("data:text/html,x")).toBeUndefined();
});
