/**
 * Builds the parts of the observatory that run in browsers, `observatory/src/islands`, into `observatory/assets`: files
 * with a hash in their name, and a manifest. Run by itself, by `npm start` and by tests; does nothing where the sources
 * are those of the last build.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const assets = join(root, "observatory", "assets");
const islands = join(root, "observatory", "src", "islands");
const entries = ["verify", "map", "try", "simulate", "cel", "console"] as const;
/** What every page links: served from `static` as it is where nothing was built. */
const pageFiles = ["style.css", "sky.css", "map.css", "console.css", "site.js"] as const;

interface Manifest {
  /** Hash of everything the files were made of. */
  readonly sources: string;
  readonly entries: Readonly<Record<string, string>>;
  readonly pages: Readonly<Record<string, string>>;
  readonly files: readonly string[];
}

/** Builds what has changed. Several processes may do so at a time: files are named by their contents. */
export async function buildIslands(): Promise<void> {
  const sources = await hashOfSources();
  if (isBuilt(sources)) return;
  const built: Built[] = [];
  // One by one: an island is one file, and pays for nothing that only another one uses.
  for (const island of entries) built.push(await bundle(island, join(islands, island, "element.ts")));
  for (const name of pageFiles) built.push(await bundle(name, join(root, "observatory", "static", name)));
  await mkdir(assets, { recursive: true });
  for (const { file, code } of built) await replaceFile(file, code);
  const named = (wanted: readonly string[]): Record<string, string> =>
    Object.fromEntries(built.flatMap(({ name, file }) => (wanted.includes(name) ? [[name, file]] : [])));
  const manifest: Manifest = {
    sources,
    entries: named(entries),
    pages: named(pageFiles),
    files: built.map(({ file }) => file),
  };
  await replaceFile("manifest.json", JSON.stringify(manifest));
  for (const name of await readdir(assets)) {
    if (name === "manifest.json" || manifest.files.includes(name) || (await isBeingWritten(name))) continue;
    await rm(join(assets, name), { force: true });
  }
}

interface Built {
  readonly name: string;
  readonly file: string;
  readonly code: string;
}

/** One script or style sheet from one source, minified. */
async function bundle(name: string, source: string): Promise<Built> {
  const { build } = await import("vite");
  const answers = await build({
    root: join(root, "observatory"),
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    plugins: [patchForceGraph(), leaveOut()],
    build: {
      write: false,
      target: "es2022",
      cssTarget: "chrome123",
      modulePreload: false,
      rolldownOptions: {
        preserveEntrySignatures: "exports-only",
        input: { [name.replace(/\.\w+$/, "")]: source },
        // Nothing but the source itself does anything when it is merely imported: what is not used is left out.
        treeshake: { moduleSideEffects: (id) => id === source },
        output: {
          entryFileNames: "[name]-[hash].js",
          assetFileNames: "[name]-[hash][extname]",
          // An island is one file: what it loads when it is needed comes with it.
          codeSplitting: false,
        },
      },
    },
  });
  const files = (Array.isArray(answers) ? answers : [answers]).flatMap((one) => ("output" in one ? one.output : []));
  const wanted = files.filter((file) => (source.endsWith(".css") ? file.type === "asset" : file.type === "chunk"));
  const [only, ...more] = wanted;
  if (!only || more.length > 0) throw new Error(`${name} is not one file`);
  const code = only.type === "chunk" ? only.code : String(only.source);
  return { name, file: only.fileName.split("/").at(-1) ?? "", code };
}

/**
 * force-graph adds a style element, shows names as HTML and empties its box by `innerHTML`: none of it may run here.
 * @throws {Error} if it does so in other words than those known here
 */
export function patchForceGraph(): Plugin {
  const patches: readonly (readonly [string, string])[] = [
    ["import Tooltip from 'float-tooltip';", "class Tooltip { content() {} }"],
    ["\nstyleInject(css_248z);", ""],
    ["domNode.innerHTML = '';", "domNode.replaceChildren();"],
  ];
  return {
    name: "peerage:force-graph",
    transform(code, id) {
      if (!id.endsWith("force-graph.mjs")) return null;
      let patched = code;
      for (const [from, to] of patches) {
        if (patched.split(from).length !== 2) throw new Error(`force-graph has changed: ${from.trim()}`);
        patched = patched.replace(from, () => to);
      }
      if (/innerHTML|insertAdjacentHTML/.test(patched)) throw new Error("force-graph has changed: it writes markup");
      return patched;
    },
  };
}

/** Verifiers need the schemas, and neither their messages nor their JSON form. */
function leaveOut(): Plugin {
  return {
    name: "peerage:leave-out",
    transform(code, id) {
      if (id.endsWith("zod/v4/locales/en.js")) return { code: "export default () => ({});", map: null };
      if (id.endsWith("zod/v4/core/util.js")) {
        // Asking whether eval is allowed is a violation of the policy that forbids it.
        const probe = '        new F("");\n        return true;';
        if (code.split(probe).length !== 2) throw new Error("zod has changed: it asks for eval in other words");
        return { code: code.replace(probe, "        return false;"), map: null };
      }
      if (!/zod\/v4\/core\/(?:to-json-schema|json-schema-processors)\.js$/.test(id)) return null;
      const names = [...code.matchAll(/^export (?:const|function) (\w+)/gm)].map(([, name]) => name);
      if (names.length === 0) throw new Error(`zod has changed: nothing is exported by ${id}`);
      const nothing = "const nothing = () => () => ({});";
      return { code: `${nothing} export { ${names.map((name) => `nothing as ${name}`).join(", ")} };`, map: null };
    },
  };
}

function isBuilt(sources: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(join(assets, "manifest.json"), "utf8")) as Manifest;
    return manifest.sources === sources && manifest.files.every((name) => existsSync(join(assets, name)));
  } catch {
    return false;
  }
}

async function hashOfSources(): Promise<string> {
  const hash = createHash("sha256");
  const files = [fileURLToPath(import.meta.url), join(root, "package-lock.json")];
  for (const folder of [join(root, "core", "src"), join(root, "observatory", "src")]) {
    const names = await readdir(folder, { recursive: true });
    files.push(
      ...names
        .filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".test.ts"))
        .sort()
        .map((name) => join(folder, name)),
    );
  }
  for (const name of pageFiles) files.push(join(root, "observatory", "static", name));
  for (const file of files) hash.update(await readFile(file)).update("\0");
  return hash.digest("hex");
}

/** True of what another build is about to give its name. What a killed build left goes after an hour. */
async function isBeingWritten(name: string): Promise<boolean> {
  if (!name.startsWith(".")) return false;
  const written = await stat(join(assets, name)).catch(() => undefined);
  return written !== undefined && written.mtimeMs > Date.now() - 3_600_000;
}

async function replaceFile(name: string, text: string): Promise<void> {
  const fresh = join(assets, `.${name}.${randomUUID()}`);
  await writeFile(fresh, text);
  await rename(fresh, join(assets, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildIslands();
