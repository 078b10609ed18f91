import { type ChildProcess, spawn } from "node:child_process";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import {
  type Checkpoint,
  generateIdentity,
  HttpRegistryReader,
  issueProfile,
  Network,
  parseCheckpoint,
  parseSignedNote,
  verifyConsistency,
} from "@peerage/core";
import { startRegistry, temporaryFolder } from "./_registry.ts";

/** Two registries at a time. */
const CHAINS = 2;
const CONNECTIONS = 16;

/** What a registry said was on disk. */
interface Acknowledged {
  readonly id: string;
  readonly index: number;
}

/** A registry in a process of its own. */
export interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

/** Starts a registry over a folder, as a process of its own. */
export async function start(dataDir: string): Promise<Running> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "fixtures/registry-process.ts"), dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) return { child, url: line.split(" ")[0]! };
  throw new Error("the registry did not start");
}

/** Ends it as a power cut ends a process. */
export async function kill({ child }: Running): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

/** Submits from a queue over many connections and kills the registry in the moment the `after`th answer arrives. */
async function submitUntilKilled(running: Running, queue: Uint8Array[], after: number): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let killed: Promise<void> | undefined;
  const post = (body: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      const call = request(`${running.url}/v1/statements`, { method: "POST", agent }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("error", () => resolve());
        response.on("end", () => {
          if (response.statusCode === 200 || response.statusCode === 201)
            acknowledged.push(JSON.parse(text) as Acknowledged);
          if (acknowledged.length >= after) killed ??= kill(running);
          resolve();
        });
      });
      call.on("error", () => resolve());
      call.end(body);
    });
  const submitter = async (): Promise<void> => {
    for (let body = queue.shift(); body && !killed; body = queue.shift()) await post(body);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, submitter));
  agent.destroy();
  await (killed ?? kill(running));
  return acknowledged;
}

async function headOf(url: string): Promise<Checkpoint> {
  const note = await (await fetch(`${url}/checkpoint`)).text();
  return parseCheckpoint(parseSignedNote(note).text);
}

async function expectExtension(url: string, older: Checkpoint, newer: Checkpoint): Promise<void> {
  const answer = await fetch(`${url}/v1/consistency?from=${older.size}&to=${newer.size}`);
  const { proof } = (await answer.json()) as { proof: string[] };
  verifyConsistency({
    size1: older.size,
    root1: older.root,
    size2: newer.size,
    root2: newer.root,
    proof: proof.map((hash) => Buffer.from(hash, "base64")),
  });
}

/** Kills one registry again and again; returns how many acknowledgements it gave and their greatest number in a round. */
async function punish(statements: Uint8Array[], rounds: number): Promise<number> {
  using folder = temporaryFolder();
  const all = new Map<number, string>();
  const queue = [...statements];
  let seen: Checkpoint | undefined;
  let last: Acknowledged[] = [];
  for (let round = 0; round < rounds; round++) {
    const running = await start(folder.path);
    const head = await headOf(running.url);
    if (seen) await expectExtension(running.url, seen, head);
    for (const { id, index } of last) {
      const answer = await fetch(`${running.url}/v1/statements/${id}`);
      expect(answer.status, `round ${round}: ${id} was acknowledged`).toBe(200);
      expect(((await answer.json()) as Acknowledged).index).toBe(index);
    }
    seen = head;
    last = await submitUntilKilled(running, queue, 1 + ((round * 7) % 29));
    for (const { id, index } of last) {
      expect(all.get(index) ?? id, "one index has one statement").toBe(id);
      all.set(index, id);
    }
  }
  await using registry = await startRegistry({ dataDir: folder.path });
  await expectExtension(registry.url, seen!, await headOf(registry.url));
  // The follower hashes every leaf into the signed root by itself.
  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
  expect(network.rejected).toEqual([]);
  for (const [index, id] of all) expect(network.view.statement(id as `sha256:${string}`)?.index, id).toBe(index);
  return all.size;
}

/**
 * Kills registries `rounds` times in all, each time between two acknowledgements, and looks for everything that was
 * acknowledged after each.
 * @returns how many statements were acknowledged
 */
export async function killAgainAndAgain(rounds: number): Promise<number> {
  const each = Math.ceil(rounds / CHAINS);
  const issued = Array.from({ length: CHAINS * each * 64 }, () => issueProfile(generateIdentity(), { role: "agent" }));
  const statements = (await Promise.all(issued)).map(({ bytes }) => bytes);
  const share = statements.length / CHAINS;
  const chains = Array.from({ length: CHAINS }, (_, i) => punish(statements.slice(i * share, (i + 1) * share), each));
  return (await Promise.all(chains)).reduce((sum, acknowledged) => sum + acknowledged, 0);
}
