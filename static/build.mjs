// Builds dist/: the client as ES modules and as one script, its types, the demo pages, and a compressed twin of all that is served.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { build, transform } from "esbuild";
import { compileScript, parse } from "vue/compiler-sfc";

const root = dirname(fileURLToPath(import.meta.url));

/** The core, every folder with an index.ts, every locale: each keeps its name, what they share is hashed. */
function entries() {
  const folders = readdirSync(join(root, "src")).filter((name) => existsSync(join(root, "src", name, "index.ts")));
  const locales = readdirSync(join(root, "src/locales")).filter((name) => /^[a-z]{2}\.ts$/.test(name));
  return Object.fromEntries([
    ["notifier", "src/index.ts"],
    ...folders.map((name) => [name, `src/${name}/index.ts`]),
    ...locales.map((name) => [`locales/${basename(name, ".ts")}`, `src/locales/${name}`]),
  ]);
}

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

/**
 * The client opens WebSockets through a manager and nothing else: the library's other transports, and its way to look
 * managers up, stay out.
 */
const websocketOnly = {
  name: "websocket-only",
  setup(bundle) {
    const replace = (filter, contents) =>
      bundle.onLoad({ filter }, ({ path }) => ({ contents, resolveDir: dirname(path) }));
    const transports = /engine\.io-client\/build\/esm\/transports\/(polling|polling-xhr|polling-fetch|webtransport)\.js$/;
    replace(transports, 'export { WS as Fetch, WS as Polling, WS as WT, WS as XHR } from "./websocket.js"');
    replace(/socket\.io-client\/build\/esm\/index\.js$/, 'export { Manager } from "./manager.js"');
  },
};

/**
 * The demos are written like applications; their pages find the client where the server puts it. The
 * bindings become part of the page's script: they have to share its copy of the framework.
 */
const servedClient = {
  name: "served-client",
  setup(bundle) {
    bundle.onResolve({ filter: /^@notifier\/client/ }, ({ path }) => {
      const [, entry = "notifier"] = path.match(/^@notifier\/client\/(.+)/) ?? [];
      if (entry === "react" || entry === "vue") return { path: join(root, `src/${entry}/index.ts`) };
      return { path: `../client/${entry}.mjs`, external: true };
    });
    bundle.onResolve({ filter: /^\.\.\/index\.ts$/ }, () => ({ path: "../client/notifier.mjs", external: true }));
  },
};

/** Vue's single-file components, as its own plugins for bundlers compile them. */
const vueComponents = {
  name: "vue-components",
  setup(bundle) {
    bundle.onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { descriptor, errors } = parse(await readFile(path, "utf8"), { filename: path });
      if (errors.length) throw errors[0];
      const options = { compilerOptions: { isCustomElement: (tag) => tag.startsWith("notifier-") } };
      const { content } = compileScript(descriptor, { id: path, inlineTemplate: true, templateOptions: options });
      return { contents: content, loader: "ts", resolveDir: dirname(path) };
    });
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
  plugins: [inlineCss, websocketOnly],
};

const PRODUCTION = {
  "process.env.NODE_ENV": '"production"',
  __VUE_OPTIONS_API__: "false",
  __VUE_PROD_DEVTOOLS__: "false",
  __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
};

function buildModules(outdir) {
  return build({
    ...shared,
    outdir,
    format: "esm",
    splitting: true,
    entryPoints: entries(),
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunks/[name]-[hash]",
    external: ["react", "vue"],
  });
}

function buildScript(outdir) {
  const outfile = join(outdir, "notifier.min.js");
  return build({ ...shared, outfile, format: "iife", globalName: "Notifier", entryPoints: ["src/script.ts"] });
}

function buildDemos(outdir) {
  return build({
    ...shared,
    outdir: join(outdir, "demo"),
    format: "esm",
    entryPoints: ["demo/demo.ts", "demo/react.tsx", "demo/vue.ts", "demo/demo.css", "demo/bindings.css"],
    plugins: [servedClient, vueComponents],
    jsx: "automatic",
    define: PRODUCTION,
  });
}

async function copyFiles(outdir) {
  const pages = (await readdir(join(root, "demo"))).filter((file) => /\.(html|svg)$/.test(file));
  await Promise.all(pages.map((file) => cp(join(root, "demo", file), join(outdir, "demo", file))));
  await cp(join(root, "src/styles.css"), join(outdir, "styles.css"));
}

function buildTypes(outdir) {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const options = ["-p", join(root, "tsconfig.types.json"), "--outDir", join(outdir, "types")];
  execFileSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
}

/** Done once here and not for every visitor; the server chooses by what the browser accepts. */
async function compress(outdir) {
  const names = await readdir(outdir, { recursive: true });
  const served = names.filter((name) => /\.(mjs|js|css|html|svg)$/.test(name));
  const br = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  await Promise.all(
    served.map(async (name) => {
      const file = join(outdir, name);
      const content = await readFile(file);
      await writeFile(`${file}.br`, await promisify(brotliCompress)(content, br));
      await writeFile(`${file}.gz`, await promisify(gzip)(content, { level: 9 }));
    }),
  );
}

// Built beside dist/ and then put in its place: nobody ever sees half of it.
const out = await mkdtemp(join(root, "dist-"));
try {
  await Promise.all([buildModules(out), buildScript(out), buildDemos(out)]);
  await copyFiles(out);
  buildTypes(out);
  await compress(out);
  await rm(join(root, "dist"), { recursive: true, force: true });
  await rename(out, join(root, "dist"));
} finally {
  await rm(out, { recursive: true, force: true });
}
