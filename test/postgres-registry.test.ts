import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { generateIdentity, noteSignerFromSeed, randomBytes, sha256Hex } from "@peerage/core";
import { messageLimits } from "../registry/src/messages/limits.ts";
import type { MessageStore } from "../registry/src/messages/message-store.ts";
import { openMessages } from "../registry/src/messages/open-messages.ts";
import {
  type Acknowledged,
  copyKeys,
  expectOneTree,
  killTheActiveOne,
  profiles,
  punishPostgres,
  startProcess,
  submitWhile,
  untilPublished,
} from "./_postgres-load.ts";
import { startPostgres, type TestPostgres } from "./_postgres.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

it("A-LOG-07 loses no acknowledged statement when PostgreSQL is killed twice under load", async () => {
  expect(await punishPostgres(server, 2)).toBeGreaterThan(100);
});

it("goes on within the lease when the registry that orders is killed: one tree, no gap, nothing twice", async () => {
  const outage = await killTheActiveOne(server, 1_500);
  console.log(`lease 1.5 s: nothing was acknowledged for ${(outage / 1000).toFixed(1)} s`);
  expect(outage).toBeGreaterThan(0);
});

it("A-LOG-07 fences a registry that slept through its lease: it serves on, and orders nothing", async () => {
  const database = await server.database("sleeper");
  using a = temporaryFolder();
  using b = temporaryFolder();
  const sleeper = await startProcess(a.path, database, 1_000);
  try {
    copyKeys(a.path, b.path);
    await using other = await startRegistry({ dataDir: b.path, database, postgres: { leaseMs: 1_000 } });
    const acknowledged: Acknowledged = new Map();
    const both = (): string[] => [sleeper.url, other.url];
    await submitWhile(both, await profiles(100), acknowledged, () => false);
    sleeper.child.kill("SIGSTOP");
    await submitWhile(
      () => [other.url],
      await profiles(100),
      acknowledged,
      () => false,
    );
    sleeper.child.kill("SIGCONT");
    await submitWhile(both, await profiles(200), acknowledged, () => false);
    expect(acknowledged.size).toBe(400);
    expect(sleeper.child.exitCode).toBeNull();
    await untilPublished(sleeper.url, acknowledged);
    await expectOneTree(database, sleeper.url, acknowledged);
  } finally {
    sleeper.child.kill("SIGCONT");
    await sleeper.kill();
  }
});

it("A-LOG-06 orders nothing on a stale standby, while it runs and after a restart", async () => {
  const database = await server.database("primary");
  using folder = temporaryFolder();
  using standby = temporaryFolder();
  const options = { dataDir: folder.path, database };
  const submit = async (url: string, count: number): Promise<Acknowledged> => {
    const acknowledged: Acknowledged = new Map();
    await submitWhile(
      () => [url],
      await profiles(count),
      acknowledged,
      () => false,
    );
    await untilPublished(url, acknowledged);
    return acknowledged;
  };
  {
    await using registry = await startRegistry(options);
    await submit(registry.url, 20);
  }
  await server.stop();
  server.copyTo(standby.path);
  await server.start();
  const failures: unknown[] = [];
  {
    await using registry = await startRegistry({ ...options, onFailure: (error) => failures.push(error) });
    await submit(registry.url, 10);
    await server.kill();
    server.replaceBy(standby.path);
    await server.start();
    while (failures.length === 0) await sleep(50);
    expect(failures[0]).toMatchObject({ code: "ERR_STORE_CORRUPT" });
    const [late] = await profiles(1);
    expect((await registry.post(late!)).status).toBe(503);
    expect((await registry.get("/readyz")).status).toBe(503);
  }
  {
    await using registry = await startRegistry(options);
    expect(registry.registry.readOnly).toMatch(/holds 20 entries, but 30 were published/);
    expect((await registry.get("/readyz")).status).toBe(503);
    expect(await registry.json("/v1/statements?limit=1")).toMatchObject({ checkpoint: { size: 20 } });
  }
});

it("serves two registries from one database: what one takes, both prove and both show", async () => {
  const database = await server.database("pair");
  using a = temporaryFolder();
  using b = temporaryFolder();
  await using first = await startRegistry({ dataDir: a.path, database });
  copyKeys(a.path, b.path);
  await using second = await startRegistry({ dataDir: b.path, database });
  expect(second.registry.origin).toBe(first.registry.origin);
  const [leaf] = await profiles(1);
  const answer = await second.publish(leaf!);
  expect(answer).toMatchObject({ index: 0, state: "published", status: 201 });
  expect(await first.publish(leaf!)).toMatchObject({ index: 0, id: answer.id, status: 200 });
  for (const { url } of [first, second]) {
    const proof = await (await fetch(`${url}/v1/statements/${answer.id}/proof`)).text();
    expect(proof).toMatch(/^c2sp\.org\/tlog-proof@v1\n/);
  }
  using stranger = temporaryFolder();
  await expect(startRegistry({ dataDir: stranger.path, database })).rejects.toMatchObject({
    code: "ERR_KEY_FILE_INVALID",
  });
});

it("P-MSG-5 keeps sealed messages in the database: two processes count together, and either gives and erases", async () => {
  const database = await server.database("messages");
  const [sender, recipient] = [generateIdentity().did, generateIdentity().did];
  const limits = { ...messageLimits, stranger: { messages: 5, bytes: 10_000 } };
  const log = noteSignerFromSeed("log.example", 1, new Uint8Array(32).fill(1));
  const open = (): Promise<MessageStore> => openMessages(database, "", { log, now: () => new Date(), limits });
  await using stack = new AsyncDisposableStack();
  const stores = (await Promise.all([open(), open()])).map((store) => stack.use(store)) as [MessageStore, MessageStore];
  const put = async (i: number): Promise<string> => {
    const sealed = randomBytes(100);
    const message = { id: `sha256:${sha256Hex(sealed)}` as const, sender, recipient, sealed, isKnown: () => false };
    return stores[i % 2]!.put(message).catch((error: unknown) => (error as { code: string }).code);
  };
  const outcomes = await Promise.all(Array.from({ length: 16 }, (_, i) => put(i)));
  expect(outcomes.filter((outcome) => outcome === "kept")).toHaveLength(5);
  expect(new Set(outcomes)).toEqual(new Set(["kept", "ERR_RATE_LIMITED"]));
  const [first, ...rest] = await stores[0].list(recipient);
  expect(await stores[1].erase(recipient, first!.id)).toBe(true);
  expect(await stores[0].get(recipient, first!.id)).toHaveProperty("erased");
  expect(await stores[0].list(recipient)).toEqual(rest);
  expect(await put(0)).toBe("kept");
});
