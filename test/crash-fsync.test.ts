import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { generateIdentity, issueProfile } from "@peerage/core";
import { temporaryFolder } from "./_registry.ts";

/** `kill -9` cannot tell an acknowledgement before the fsync from one after it: the kernel still has the bytes. */
const traceable = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
if (!traceable) console.warn("SKIPPED: strace cannot be used here, so the order of system calls is not checked");

const calls = "fsync,fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg";

/** Posts statements one by one to a traced server; counts acknowledgements, and those that left before the fsync. */
async function trace(fixture: string, bodies: readonly Uint8Array[]): Promise<{ acknowledged: number; early: number }> {
  using folder = temporaryFolder();
  const output = join(folder.path, "trace");
  const program = [process.execPath, join(import.meta.dirname, "fixtures", fixture), folder.path];
  const strace = spawn("strace", ["-f", "-y", "-o", output, "-e", `trace=${calls}`, ...program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => strace.once("exit", resolve));
  for await (const line of createInterface(strace.stdout)) {
    const [url, pid] = line.split(" ");
    for (const body of bodies) {
      const response = await fetch(`${url!}/v1/statements`, { method: "POST", body: body as BodyInit });
      expect(response.status).toBe(201);
      await response.text();
    }
    process.kill(Number(pid), "SIGKILL");
    break;
  }
  await gone;
  let unsynced = false;
  const found = { acknowledged: 0, early: 0 };
  for (const line of readFileSync(output, "utf8").split("\n")) {
    if (/pwrite\w*\(\d+<[^>]*registry\.db-wal>/.test(line)) unsynced = true;
    else if (/f(?:data)?sync\(\d+<[^>]*registry\.db-wal>/.test(line)) unsynced = false;
    else if (line.includes('"HTTP/1.1 201 ')) {
      found.acknowledged++;
      if (unsynced) found.early++;
    }
  }
  return found;
}

it.skipIf(!traceable)("A-LOG-07 sends no acknowledgement before the fsync, and would notice one", async () => {
  const issued = Array.from({ length: 100 }, () => issueProfile(generateIdentity(), { role: "agent" }));
  const bodies = (await Promise.all(issued)).map(({ bytes }) => bytes);
  expect(await trace("registry-process.ts", bodies)).toEqual({ acknowledged: 100, early: 0 });
  expect((await trace("unsynced-writer.ts", bodies)).early).toBeGreaterThan(90);
});
