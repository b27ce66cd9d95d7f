/** For pages without a build step: one script, everything under the global `Notifier`. */
export * from "./index.ts";
export * from "./elements/index.ts";
