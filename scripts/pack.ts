/**
 * `npm run pack`: the five packages as tarballs in `dist/packages`, as they would be published: compiled JavaScript with
 * declarations, one version, checked by publint and attw. The command line carries its siblings inside, so that
 * `npx -p ./dist/packages/peerage-cli-<version>.tgz peerage demo` needs nothing that is not on npm.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildIslands } from "./build-islands.ts";
import { writeManPages } from "./man.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "dist", "packages");
const stage = join(root, "dist", "stage");
const names = ["core", "registry", "mcp-middleware", "observatory", "cli"] as const;
type Name = (typeof names)[number];

interface Package {
  name: string;
  version: string;
  private?: boolean;
  exports: Record<string, unknown>;
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
  bundleDependencies?: string[];
  [more: string]: unknown;
}

const { version, engines } = await readJson<{ version: string; engines: object }>(join(root, "package.json"));

// From nothing: what was compiled from a file that is gone must not be shipped.
for (const name of names) await rm(join(root, name, "dist"), { recursive: true, force: true });
run("node_modules/.bin/tsc", ["-b", ...names]);
await buildIslands();
await rm(stage, { recursive: true, force: true });
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const tarballs: string[] = [];
for (const name of names) {
  await prepare(name);
  if (name === "cli") await bundleSiblings();
  tarballs.push(pack(name));
}
for (const tarball of tarballs) {
  // ESM only, by design: `require` of it works from Node 22.12 on, which attw does not know.
  run("node_modules/.bin/attw", [tarball, "--profile", "esm-only", "--quiet"]);
  run("node_modules/.bin/publint", ["run", tarball, "--strict"]);
  console.log(tarball.slice(root.length));
}
await rm(stage, { recursive: true, force: true });

/** One package as a folder: compiled files, what it serves, its package.json for users. */
async function prepare(name: Name): Promise<void> {
  const from = join(root, name);
  const to = join(stage, name);
  await cp(join(from, "dist"), join(to, "dist"), { recursive: true, filter: isShipped });
  for (const extra of ["bin", "static", "assets", "schema"])
    if (existsSync(join(from, extra))) await cp(join(from, extra), join(to, extra), { recursive: true });
  const given = await readJson<Package>(join(from, "package.json"));
  const about: Package = {
    ...given,
    version,
    engines,
    exports: { ".": { types: entry(given).replace(/\.ts$/, ".d.ts"), default: entry(given).replace(/\.ts$/, ".js") } },
    dependencies: Object.fromEntries(
      Object.entries(given.dependencies ?? {}).map(([one, range]) => [one, range === "*" ? version : range]),
    ),
  };
  delete about.private;
  if (given.bin) about["man"] = (await writeManPages(join(to, "man"))).map((page) => `./man/${page}`);
  await writeJson(join(to, "package.json"), about);
  await cp(join(root, "LICENSE"), join(to, "LICENSE"));
  await writeFile(join(to, "README.md"), `# ${given.name}\n\n${String(given["description"])}.\n\nPart of Peerage.\n`);
  if (given.bin) {
    const script = join(to, "bin", "peerage.js");
    const text = await readFile(script, "utf8");
    if (!text.includes("../src/bin.ts"))
      throw new Error("the command's start script has changed: mend scripts/pack.ts");
    await writeFile(script, text.replace("../src/bin.ts", "../dist/bin.js"));
  }
}

/** The siblings inside the command line's package; what they need from others stands among its own dependencies. */
async function bundleSiblings(): Promise<void> {
  const path = join(stage, "cli", "package.json");
  const cli = await readJson<Package>(path);
  const siblings: string[] = [];
  for (const name of names.filter((one) => one !== "cli")) {
    const sibling = await readJson<Package>(join(stage, name, "package.json"));
    siblings.push(sibling.name);
    await cp(join(stage, name), join(stage, "cli", "node_modules", ...sibling.name.split("/")), { recursive: true });
    cli.dependencies = { ...sibling.dependencies, ...cli.dependencies };
  }
  cli.bundleDependencies = siblings;
  await writeJson(path, cli);
}

function pack(name: Name): string {
  const folder = join(stage, name);
  const { stdout } = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", out, folder]);
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(out, filename);
}

function entry({ exports }: Package): string {
  return String(exports["."]).replace("./src/", "./dist/");
}

function isShipped(path: string): boolean {
  return !/(\.map|\.tsbuildinfo)$|\/islands(\/|$)/.test(path);
}

function run(command: string, args: readonly string[]): { stdout: string } {
  const ran = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1_048_576 });
  if (ran.status !== 0) {
    console.error(`${command} ${args.join(" ")} ended with ${String(ran.status)}\n${ran.stdout}${ran.stderr}`);
    process.exit(1);
  }
  return ran;
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
