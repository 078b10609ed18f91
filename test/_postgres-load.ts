import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { generateIdentity, HttpRegistryReader, issueProfile, Network, ProofBuilder, TileEdge } from "@peerage/core";
import { openEdge } from "../registry/src/log/open-edge.ts";
import { TileSource } from "../registry/src/log/tile-source.ts";
import { connectPostgres } from "../registry/src/store/postgres.ts";
import type { TestPostgres } from "./_postgres.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";

/** What a registry said was on disk. */
export type Acknowledged = Map<string, number>;

/** Leaves of new agents. */
export async function profiles(count: number): Promise<Uint8Array[]> {
  const issued = Array.from({ length: count }, () => issueProfile(generateIdentity(), { role: "agent" }));
  return (await Promise.all(issued)).map(({ bytes }) => bytes);
}

/** The keys of one log in a second folder, as an operator copies them to a second machine. */
export function copyKeys(from: string, to: string): void {
  mkdirSync(join(to, "keys"), { mode: 0o700 });
  for (const name of ["log.key", "witness.key"]) cpSync(join(from, "keys", name), join(to, "keys", name));
}

/** Posts until `until()` holds, over and over; a statement that was not acknowledged is sent again. */
export async function submitWhile(
  urls: () => readonly string[],
  queue: Uint8Array[],
  acknowledged: Acknowledged,
  until: () => boolean,
): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  const submitter = async (): Promise<void> => {
    for (let body = queue.shift(); body; body = queue.shift()) {
      if (until()) {
        queue.unshift(body);
        return;
      }
      const all = urls();
      const url = all[turn++ % all.length] ?? "";
      const answer = await post(url, body, agent);
      if (!answer) {
        queue.push(body);
        await sleep(5);
      } else {
        // One id has one index, whichever registry says it and however often.
        expect(acknowledged.get(answer.id) ?? answer.index).toBe(answer.index);
        acknowledged.set(answer.id, answer.index);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, submitter));
  agent.destroy();
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<{ id: string; index: number } | undefined> {
  return new Promise((resolve) => {
    const call = request(`${url}/v1/statements`, { method: "POST", agent, timeout: 60_000 }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        const good = response.statusCode === 200 || response.statusCode === 201;
        resolve(good ? (JSON.parse(text) as { id: string; index: number }) : undefined);
      });
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(undefined));
    call.end(body);
  });
}

/** All that was acknowledged is in the log at its index; the log has no gap, no id twice, and one tree. */
export async function expectOneTree(database: string, url: string, acknowledged: Acknowledged): Promise<number> {
  await using store = await connectPostgres(database, { mustExist: true });
  const { size, root } = await store.head();
  const edge = TileEdge.empty();
  const ids = new Set<string>();
  for (let at = 0; at < size; at += 1_000) {
    for (const entry of await store.entries(at, Math.min(at + 1_000, size))) {
      expect(entry.index).toBe(edge.size);
      ids.add(Buffer.from(entry.id).toString("hex"));
      edge.append(entry.leaf);
    }
  }
  expect(edge.size).toBe(size);
  expect(ids.size).toBe(size);
  expect(Buffer.from(edge.root()).equals(root)).toBe(true);
  const tiles = new TileSource(store);
  expect(Buffer.from((await openEdge(store, tiles)).root()).equals(root)).toBe(true);
  const proofs = new ProofBuilder((...place) => tiles.read(...place));
  for (const checkpoint of await store.checkpoints(-1, 10_000)) {
    expect(Buffer.from(await proofs.root(checkpoint.size)).equals(checkpoint.root)).toBe(true);
  }
  // A follower hashes every leaf into the signed root by itself.
  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url }) });
  expect(network.rejected).toEqual([]);
  for (const [id, index] of acknowledged) {
    expect(network.view.statement(id as `sha256:${string}`)?.index, `${id} was acknowledged`).toBe(index);
  }
  return size;
}

/** Kills PostgreSQL again and again under load. @returns how many statements were acknowledged */
export async function punishPostgres(server: TestPostgres, rounds: number): Promise<number> {
  const database = await server.database("punished");
  await using registry = await startRegistry({ database });
  const acknowledged: Acknowledged = new Map();
  const queue = await profiles(rounds * 150);
  for (let round = 0; round < rounds; round++) {
    const goal = acknowledged.size + 20 + ((round * 37) % 80);
    const dead = Promise.withResolvers<unknown>();
    let killed = false;
    const load = submitWhile(
      () => [registry.url],
      queue,
      acknowledged,
      () => {
        // In the moment in which an answer arrives; the others are on their way, and are answered after the restart.
        if (!killed && acknowledged.size >= goal) {
          killed = true;
          dead.resolve(server.kill());
        }
        return killed;
      },
    );
    await dead.promise;
    await server.start();
    await load;
  }
  await submitWhile(
    () => [registry.url],
    queue.splice(0, 50),
    acknowledged,
    () => false,
  );
  const last = Math.max(...acknowledged.values());
  expect(await registry.registry.published(last, 60_000)).toBe(true);
  await expectOneTree(database, registry.url, acknowledged);
  return acknowledged.size;
}

/** A registry in a process of its own. */
export interface RegistryProcess {
  readonly url: string;
  readonly child: ChildProcess;
  kill(): Promise<void>;
}

/** Starts one of several registries of one log. */
export async function startProcess(dataDir: string, database: string, leaseMs: number): Promise<RegistryProcess> {
  const program = join(import.meta.dirname, "fixtures/postgres-registry-process.ts");
  const child = spawn(process.execPath, [program, dataDir, String(leaseMs)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PEERAGE_DATABASE_URL: database },
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  for await (const url of createInterface(child.stdout)) return { url, child, kill };
  throw new Error("the registry did not start");
}

/**
 * Two registries of one log under load, both of which would order it; the one that does is killed.
 * @returns for how long, in milliseconds, nothing was acknowledged
 */
export async function killTheActiveOne(server: TestPostgres, leaseMs: number): Promise<number> {
  const database = await server.database("shared");
  using a = temporaryFolder();
  using b = temporaryFolder();
  const first = await startProcess(a.path, database, leaseMs);
  copyKeys(a.path, b.path);
  const second = await startProcess(b.path, database, leaseMs);
  try {
    const acknowledged: Acknowledged = new Map();
    const queue = await profiles(600);
    await submitWhile(
      () => [first.url, second.url],
      queue,
      acknowledged,
      () => acknowledged.size >= 200,
    );
    const before = acknowledged.size;
    await first.kill(); // it was there first, so it leads
    const start = performance.now();
    let outage = 0;
    await submitWhile(
      () => [second.url],
      queue,
      acknowledged,
      () => {
        if (outage === 0 && acknowledged.size > before) outage = performance.now() - start;
        return false;
      },
    );
    expect(acknowledged.size).toBe(600);
    const third = await startProcess(a.path, database, leaseMs); // comes back, and is one of the others
    try {
      await submitWhile(
        () => [third.url, second.url],
        await profiles(100),
        acknowledged,
        () => false,
      );
      await untilPublished(third.url, acknowledged);
      await expectOneTree(database, third.url, acknowledged);
    } finally {
      await third.kill();
    }
    return outage;
  } finally {
    await first.kill();
    await second.kill();
  }
}

/** Waits until a registry shows all that was acknowledged. */
export async function untilPublished(url: string, acknowledged: Acknowledged): Promise<void> {
  const last = Math.max(...acknowledged.values());
  for (let attempt = 0; attempt < 600; attempt++) {
    const lines = (await (await fetch(`${url}/checkpoint`)).text()).split("\n");
    if (Number(lines[1]) > last) return;
    await sleep(100);
  }
  throw new Error("what was acknowledged is not published");
}
