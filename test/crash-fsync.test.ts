import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { type AgentProfile, generateIdentity, issueProfile } from "@peerage/core";
import { temporaryFolder } from "./_registry.ts";

/** `kill -9` cannot tell an acknowledgement before the fsync from one after it: the kernel still has the bytes. */
const traceable = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
if (!traceable) console.warn("SKIPPED: strace cannot be used here, so the order of system calls is not checked");

type Leaf = Pick<AgentProfile, "issuer" | "bytes">;

const calls = "fsync,fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg";

/**
 * Posts statements one by one to a traced server; counts acknowledgements, and those that left before the last write of
 * their statement was flushed. What else is written meanwhile, such as a checkpoint, does not matter.
 */
async function trace(fixture: string, leaves: readonly Leaf[]): Promise<{ acknowledged: number; early: number }> {
  using folder = temporaryFolder();
  const output = join(folder.path, "trace");
  const program = [process.execPath, join(import.meta.dirname, "fixtures", fixture), folder.path];
  const strace = spawn("strace", ["-f", "-y", "-s", "9000", "-o", output, "-e", `trace=${calls}`, ...program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => strace.once("exit", resolve));
  for await (const line of createInterface(strace.stdout)) {
    const [url, pid] = line.split(" ");
    for (const { bytes } of leaves) {
      const response = await fetch(`${url!}/v1/statements`, { method: "POST", body: bytes as BodyInit });
      expect(response.status).toBe(201);
      await response.text();
    }
    process.kill(Number(pid), "SIGKILL");
    break;
  }
  await gone;
  return judge(readFileSync(output, "utf8").split("\n"), leaves);
}

/** One thread's call may be interrupted in the trace by another's; it is complete where it is resumed. */
function judge(lines: readonly string[], leaves: readonly Leaf[]): { acknowledged: number; early: number } {
  const flushing = new Set<string>();
  const found = { acknowledged: 0, early: 0 };
  let next = 0;
  let state: "unwritten" | "written" | "flushed" = "unwritten";
  for (const line of lines) {
    const thread = line.split(" ", 1)[0]!;
    const leaf = leaves[next];
    if (/pwrite\w*\(\d+<[^>]*registry\.db-wal>/.test(line)) {
      if (leaf && line.includes(leaf.issuer)) state = "written";
    } else if (/f(?:data)?sync\(\d+<[^>]*registry\.db-wal>/.test(line)) {
      if (line.endsWith("<unfinished ...>")) flushing.add(thread);
      else if (state === "written") state = "flushed";
    } else if (/f(?:data)?sync resumed>/.test(line) && flushing.delete(thread)) {
      if (state === "written") state = "flushed";
    } else if (line.includes('"HTTP/1.1 201 ')) {
      found.acknowledged++;
      if (state !== "flushed") found.early++;
      state = "unwritten";
      next++;
    }
  }
  return found;
}

it.skipIf(!traceable)("A-LOG-07 sends no acknowledgement before the fsync, and would notice one", async () => {
  const leaves = await Promise.all(
    Array.from({ length: 100 }, () => issueProfile(generateIdentity(), { role: "agent" })),
  );
  expect(await trace("registry-process.ts", leaves)).toEqual({ acknowledged: 100, early: 0 });
  expect((await trace("unsynced-writer.ts", leaves)).early).toBeGreaterThan(90);
});
