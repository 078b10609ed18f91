import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Home, runProcess } from "./_cli.ts";

const ENTRY = fileURLToPath(new URL("../cli/bin/peerage.js", import.meta.url));

/** Processes of this machine whose environment or command line holds a text; undefined where there is no /proc. */
function processesWith(text: string): string[] | undefined {
  if (!existsSync("/proc/self/environ")) return undefined;
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return ["environ", "cmdline"].some((name) => readFileSync(`/proc/${pid}/${name}`, "utf8").includes(text));
    } catch {
      return false;
    }
  });
}

/** Sees to it that nobody is left whose environment holds a text: children end when their stdin does. */
async function expectGone(text: string): Promise<void> {
  await expect.poll(() => processesWith(text) ?? [], { timeout: 60_000, interval: 100 }).toEqual([]);
}

describe("peerage demo", () => {
  it("plays the whole story as expected, keeps nothing and leaves nothing running", async () => {
    await using home = await Home.make();
    const tmp = join(home.path, "tmp");
    await mkdir(tmp);
    const env = {
      TMPDIR: tmp,
      PEERAGE_HOME: home.at(),
      PEERAGE_IDENTITY: "nobody-here",
      HTTPS_PROXY: "http://127.0.0.1:9",
    };
    const ran = await runProcess(process.execPath, [ENTRY, "demo", "--json"], { cwd: home.path, env });
    const steps = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(
      steps.filter(({ expected, got }) => expected !== got),
      ran.stderr,
    ).toEqual([]);
    expect(steps).toEqual([
      { step: "admitted call", expected: "admitted", got: "admitted" },
      { step: "unsigned call", expected: "refused ERR_PROOF_MISSING", got: "refused ERR_PROOF_MISSING" },
      ...[
        ["stranger", "refused ERR_TRUST_INSUFFICIENT, score unknown"],
        ["vouch", "admitted"],
        ["tampered arguments", "refused ERR_PROOF_MISMATCH"],
        ["replay", "admitted, then refused ERR_PROOF_REPLAYED"],
        ["wrong audience", "refused ERR_PROOF_AUDIENCE"],
        ["revocation", "refused ERR_TRUST_INSUFFICIENT"],
        ["receipt", "verifies, altered it does not"],
      ].map(([step, expected]) => ({ step, expected, got: expected })),
    ]);
    expect(ran.code).toBe(0);
    expect(await readdir(tmp)).toEqual([]);
    // Compiled code may be cached there; it may be deleted at any time.
    expect(await readdir(home.at())).toEqual(["cache"]);
    await expectGone(tmp);
  });

  it("stops at Ctrl-C with 130 and leaves nothing running", async () => {
    await using home = await Home.make();
    const tmp = join(home.path, "tmp");
    await mkdir(tmp);
    const child = spawn(process.execPath, [ENTRY, "demo", "--json"], {
      cwd: home.path,
      env: { PATH: process.env["PATH"], TMPDIR: tmp, HOME: home.path },
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(130);
    await expectGone(tmp);
    expect(await readdir(tmp)).toEqual([]);
  });
});
