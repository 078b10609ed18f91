import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
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
