// Builds dist/: the client as ES modules and as one script, its types, and the demo page.
import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const out = join(root, "dist");

/** `import css from "./x.css?inline"` gives the minified text, as Vite does in the tests. */
const inlineCss = {
  name: "inline-css",
  setup(bundle) {
    bundle.onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.replace(/\?inline$/, "")),
      namespace: "inline-css",
    }));
    bundle.onLoad({ filter: /.*/, namespace: "inline-css" }, async ({ path }) => {
      const css = await readFile(path, "utf8");
      const { code } = await transform(css, { loader: "css", minify: true });
      // Custom properties keep their spaces through the minifier.
      return { contents: code.trim().replace(/([,:]) +/g, "$1"), loader: "text", watchFiles: [path] };
    });
  },
};

/** The demo is written like an application; its page finds the client where the server puts it. */
const served = { "@notifier/client": "../client/notifier.mjs", "@notifier/client/elements": "../client/elements.mjs" };
const servedClient = {
  name: "served-client",
  setup(bundle) {
    bundle.onResolve({ filter: /^@notifier\/client/ }, ({ path }) => ({ path: served[path], external: true }));
  },
};

/** The elements use the core that the page has loaded already. */
const sharedCore = {
  name: "shared-core",
  setup(bundle) {
    const core = join(root, "src/index.ts");
    bundle.onResolve({ filter: /\/index\.ts$/ }, ({ path, resolveDir }) =>
      resolve(resolveDir, path) === core ? { path: "./notifier.mjs", external: true } : undefined,
    );
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  sourcemap: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [inlineCss],
};

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "demo"), { recursive: true });
await Promise.all([
  build({ ...shared, format: "esm", entryPoints: ["src/index.ts"], outfile: "dist/notifier.mjs" }),
  build({
    ...shared,
    format: "esm",
    plugins: [inlineCss, sharedCore],
    entryPoints: ["src/elements/index.ts"],
    outfile: "dist/elements.mjs",
  }),
  build({
    ...shared,
    format: "iife",
    globalName: "Notifier",
    entryPoints: ["src/script.ts"],
    outfile: "dist/notifier.min.js",
  }),
  build({
    ...shared,
    format: "esm",
    entryPoints: ["demo/demo.ts"],
    plugins: [servedClient],
    outfile: "dist/demo/demo.js",
  }),
  build({ ...shared, entryPoints: ["demo/demo.css"], outfile: "dist/demo/demo.css" }),
  ...["index.html", "ada.svg", "grace.svg"].map((file) => cp(join(root, "demo", file), join(out, "demo", file))),
]);
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.types.json")], { stdio: "inherit" });
