import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killTheActiveOne, profiles, punishPostgres } from "../_postgres-load.ts";
import { startPostgres, type TestPostgres } from "../_postgres.ts";
import { startRegistry } from "../_registry.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

it("A-LOG-07 loses no acknowledged statement when PostgreSQL is killed 20 times under load", async () => {
  const acknowledged = await punishPostgres(server, 20);
  console.log(`20 kills of PostgreSQL: ${acknowledged} acknowledged, none lost`);
  expect(acknowledged).toBeGreaterThan(400);
});

it("goes on after a dead registry's lease of 10 s: one tree, no gap, nothing twice", async () => {
  const outage = await killTheActiveOne(server, 10_000);
  console.log(`lease 10 s: nothing was acknowledged for ${(outage / 1000).toFixed(1)} s; the limit is 15 s`);
  expect(outage).toBeGreaterThan(0);
});

it("says that it is not ready while its database is away, and is ready again by itself", async () => {
  await using registry = await startRegistry({ database: await server.database("away") });
  const ready = async (status: number): Promise<void> => {
    while ((await registry.get("/readyz")).status !== status) await sleep(100);
  };
  await ready(200);
  await server.kill();
  await ready(503);
  const [leaf] = await profiles(1);
  expect((await registry.post(leaf!)).status).toBe(503);
  await server.start();
  await ready(200);
  expect(await registry.publish(leaf!)).toMatchObject({ index: 0 });
});
