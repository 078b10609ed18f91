/**
 * `npm run mutants`: breaks each guarded line of the admission path in `test/mutants.ts`, one by one, in a copy of the
 * tree, and says which breaks no test notices. Ends with 1 if there is one. `npm run mutants -- replay` tries those
 * whose text has the word.
 */
import { spawn, spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutant, mutants } from "../test/mutants.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** A break that makes a test hang is noticed as well. */
const TIMEOUT_MS = 180_000;
/** All the tests together, unbroken, on a machine that has other things to do. */
const UNBROKEN_TIMEOUT_MS = 1_800_000;
const words = process.argv.slice(2);
const asked = mutants.filter(({ lets, file }) => words.every((word) => `${lets} ${file}`.includes(word)));
if (asked.length === 0) throw new Error(`no break has the text ${words.join(" ")}`);

const folder = await mkdtemp(join(tmpdir(), "peerage-mutants-"));
try {
  const tree = await copyTree(folder);
  for (const mutant of asked) await broken(tree, mutant);
  const tests = [...new Set(asked.flatMap((mutant) => mutant.tests))];
  if ((await run(tree, tests, UNBROKEN_TIMEOUT_MS)) !== 0) throw new Error("the tests fail before anything is broken");
  const survivors: Mutant[] = [];
  for (const [i, mutant] of asked.entries()) {
    const ended = await tried(tree, mutant);
    if (ended === 0) survivors.push(mutant);
    // A machine that is busy enough may be why: said, so that it can be tried alone.
    const word = ended === 0 ? "SURVIVED" : ended === null ? "hung    " : "noticed ";
    console.log(`${word}  ${i + 1}/${asked.length}  ${mutant.lets}  (${mutant.file})`);
  }
  const noticed = asked.length - survivors.length;
  console.log(
    `\nscore: ${noticed} of ${asked.length} breaks are noticed, ${((100 * noticed) / asked.length).toFixed(1)} %`,
  );
  for (const { lets, file } of survivors) console.log(`survives: ${lets}  (${file})`);
  process.exitCode = survivors.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The file with the break in it. @throws {Error} if the line is gone, stands there twice, or the break is no program */
async function broken(tree: string, { file, from, to, lets }: Mutant): Promise<string> {
  const text = await readFile(join(tree, file), "utf8");
  const times = text.split(from).length - 1;
  if (times !== 1) throw new Error(`"${lets}": its line stands ${times} times in ${file}; mend test/mutants.ts`);
  const changed = text.replace(from, () => to);
  // One that does not parse would be noticed by anything.
  stripTypeScriptTypes(changed);
  return changed;
}

/** How its tests end under a break: 0 if none of them notices, null if they had to be stopped. */
async function tried(tree: string, mutant: Mutant): Promise<number | null> {
  const path = join(tree, mutant.file);
  const original = await readFile(path, "utf8");
  await writeFile(path, await broken(tree, mutant));
  try {
    return await run(tree, mutant.tests);
  } finally {
    await writeFile(path, original);
  }
}

function run(tree: string, tests: readonly string[], timeout: number = TIMEOUT_MS): Promise<number | null> {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", "--bail", "1", "--reporter", "dot", ...tests], {
    cwd: tree,
    stdio: "ignore",
    timeout,
    killSignal: "SIGKILL",
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
}

/** What git knows of, with the same packages, but its own workspaces. */
async function copyTree(folder: string): Promise<string> {
  const tree = join(folder, "tree");
  const { stdout } = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1_048_576,
  });
  for (const file of stdout.split("\0").filter(Boolean)) {
    if (!existsSync(join(root, file))) continue;
    await mkdir(dirname(join(tree, file)), { recursive: true });
    await cp(join(root, file), join(tree, file));
  }
  const { workspaces } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { workspaces: string[] };
  await mkdir(join(tree, "node_modules", "@peerage"), { recursive: true });
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name !== "@peerage") await symlink(join(root, "node_modules", name), join(tree, "node_modules", name));
  }
  for (const name of workspaces) {
    await symlink(join(tree, name), join(tree, "node_modules", "@peerage", name));
    const own = join(root, name, "node_modules");
    if (existsSync(own)) await symlink(own, join(tree, name, "node_modules"));
  }
  const shared = join(root, "..", "shared");
  if (existsSync(shared)) await symlink(shared, join(folder, "shared"));
  return tree;
}
