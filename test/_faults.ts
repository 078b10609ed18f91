import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { generateIdentity, HttpRegistryReader, issueProfile, Network } from "@peerage/core";
import { startRegistry, temporaryFolder } from "./_registry.ts";

/** Faults of the kernel are played by strace. */
export const traceable: boolean = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
if (!traceable) console.warn("SKIPPED: strace cannot be used here, so no system call is made to fail");

/** What fails, and from which time on in each thread. */
export type Fault =
  | { readonly calls: string; readonly error: "EIO" | "ENOSPC"; readonly from: number }
  /** No file grows beyond that, as on a disk that is full. */
  | { readonly fileBytes: number };

const STATEMENTS = 120;

/**
 * Submits to a registry while something fails under it, and starts it again without the fault. Whatever it had answered
 * with an index has that index; the process has ended by itself if a write failed.
 */
export async function faultOf(fault: Fault): Promise<{ acknowledged: number; refused: number }> {
  using folder = temporaryFolder();
  // It has a log and keys before anything fails.
  await (await startRegistry({ dataDir: folder.path }))[Symbol.asyncDispose]();
  const issued = Array.from({ length: STATEMENTS }, () => issueProfile(generateIdentity(), { role: "agent" }));
  const leaves = (await Promise.all(issued)).map(({ bytes }) => bytes);
  const child = start(folder.path, fault);
  const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const acknowledged = new Map<string, number>();
  let refused = 0;
  let started = false;
  for await (const line of createInterface(child.stdout!)) {
    started = true;
    const url = line.split(" ")[0]!;
    for (const leaf of leaves) {
      const answer = await submit(url, leaf);
      if (typeof answer === "object") acknowledged.set(answer.id, answer.index);
      else refused++;
      if (answer === "gone") break;
    }
    break;
  }
  if (started && refused === 0) child.kill("SIGKILL"); // the place of the fault was never reached
  const code = await gone;
  // It refused because it ended, or did not start at all; it never went on as if nothing had been.
  if (refused > 0 || !started) expect(code).toBe(1);
  await using registry = await startRegistry({ dataDir: folder.path });
  expect(registry.registry.readOnly).toBeUndefined();
  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
  expect(network.rejected).toEqual([]);
  for (const [id, index] of acknowledged) {
    expect(network.view.statement(id as `sha256:${string}`)?.index, `${id} was acknowledged`).toBe(index);
  }
  const last = await issueProfile(generateIdentity(), { role: "agent" });
  expect((await registry.publish(last.bytes)).index).toBe(network.view.size);
  return { acknowledged: acknowledged.size, refused: started ? refused : STATEMENTS };
}

function start(dataDir: string, fault: Fault): ChildProcess {
  const program = [process.execPath, join(import.meta.dirname, "fixtures/registry-process.ts"), dataDir];
  const stdio = ["ignore", "pipe", "ignore"] as const;
  if ("fileBytes" in fault) {
    // In blocks of 512 bytes, as POSIX has it; Node itself makes of the signal an error of the write.
    const limited = `ulimit -f ${Math.ceil(fault.fileBytes / 512)} && exec "$@"`;
    return spawn("/bin/sh", ["-c", limited, "sh", ...program], { stdio: [...stdio], env: plainEnvironment() });
  }
  const { calls, error, from } = fault;
  const inject = `inject=${calls}:error=${error}:when=${from}+`;
  const files = ["registry.db", "registry.db-wal", "keys/head.new", "keys/head"].flatMap((name) => [
    "-P",
    join(dataDir, name),
  ]);
  const options = ["-f", "-o", "/dev/null", "-e", `trace=${calls}`, ...files, "-e", inject];
  return spawn("strace", [...options, ...program], { stdio: [...stdio], env: plainEnvironment() });
}

/** Without a cache of compiled code, whose files are not what is to fail. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" };
}

async function submit(url: string, leaf: Uint8Array): Promise<{ id: string; index: number } | "refused" | "gone"> {
  try {
    const response = await fetch(`${url}/v1/statements`, { method: "POST", body: leaf as BodyInit });
    const text = await response.text();
    if (response.status === 201) return JSON.parse(text) as { id: string; index: number };
    expect(response.status).toBe(503);
    return "refused";
  } catch (error) {
    if (error instanceof TypeError) return "gone";
    throw error;
  }
}
