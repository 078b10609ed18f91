import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BIN, type Ran, runProcess } from "../_cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const frameworks = ["langchain", "openai-agents", "mastra", "ai-sdk"] as const;
const online = spawnSync("npm", ["view", "@ai-sdk/mcp", "version"], { encoding: "utf8", timeout: 60_000 }).status === 0;
if (!online) console.warn("SKIPPED: npm cannot be reached, so the frameworks of the examples cannot be installed");

// Each example stands in a folder as a clone has it, with the workspace's own packages above and `peerage` on the path.
describe.skipIf(!online)("an example for a framework, installed by its lock file", () => {
  let folder = "";
  let server: ChildProcess;
  let url = "";
  const env = (): Record<string, string> => ({
    PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: join(folder, "home"),
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peerage-frameworks-"));
    for (const name of ["bin", "home", "examples"]) await mkdir(join(folder, name));
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await symlink(join(root, "examples", "stdio"), join(folder, "examples", "stdio"));
    await symlink(process.execPath, join(folder, "bin", "node"));
    await writeFile(join(folder, "bin", "peerage"), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
    await chmod(join(folder, "bin", "peerage"), 0o755);
    must(await runProcess("peerage", ["init", "agent"], { cwd: folder, env: env() }));
    const served = [join(root, "examples", "node", "server.ts")];
    server = spawn(process.execPath, served, {
      env: { ...env(), PORT: "0", GUARD_HOME: join(folder, "gate") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    url = await new Promise<string>((resolve, reject) => {
      server.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
      server.once("close", () => reject(new Error("the guarded server ended")));
    });
  });
  afterAll(async () => {
    const closed = new Promise((resolve) => server.once("close", resolve));
    server.kill("SIGTERM");
    await closed;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it.each(frameworks)(
    "A-CALL-01 %s: its signed calls are admitted through both doors, its unsigned ones refused",
    async (name) => {
      const copy = join(folder, "examples", name);
      const files = ["package.json", "package-lock.json", "agent.mjs"];
      for (const file of files) await cp(join(root, "examples", name, file), join(copy, file), { recursive: true });
      const settings = { ...process.env, ...env(), HOME: process.env["HOME"], npm_config_update_notifier: "false" };
      const flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
      must(await runProcess("npm", flags, { cwd: copy, env: settings }));

      const { stdout } = must(await runProcess("node", ["agent.mjs", url], { cwd: copy, env: env() }));
      const told = stdout.split("\n").filter((line) => / over (stdio|HTTP): /.test(line));
      for (const door of ["stdio", "HTTP"]) {
        expect(told).toContain(`signed, over ${door}: tools whoami`);
        const of = (how: string): string[] => told.filter((line) => line.startsWith(`${how}, over ${door}: `));
        // The tool itself says who called it, so it did run; and for the unsigned caller nothing ran.
        expect(of("signed").at(-1)).toMatch(/: admitted as did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/);
        expect(of("unsigned")).toHaveLength(1);
        expect(of("unsigned")[0]).toContain("Refused (ERR_PROOF_MISSING): calls must be signed.");
      }
    },
  );
});

function must(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`ended with ${String(ran.code)}\n${ran.stdout}${ran.stderr}`);
  return ran;
}
