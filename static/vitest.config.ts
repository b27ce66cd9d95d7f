import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "happy-dom", setupFiles: "test/unit/setup.ts", include: ["test/unit/**/*.test.{ts,tsx}"] },
});
