import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Correspondence, type Killable } from "../_messages.ts";
import { startProcess } from "../_postgres-load.ts";
import { startPostgres } from "../_postgres.ts";
import { kill, start } from "../_registry-kills.ts";
import { temporaryFolder } from "../_registry.ts";

const ROUNDS = 6;

/** Kills a registry again and again under load: no acknowledged message is lost, none that was erased comes back. */
async function punish(
  open: () => Promise<Killable>,
  betweenRounds?: (round: number) => Promise<void>,
): Promise<number> {
  let running = await open();
  const letters = await Correspondence.begin(running.url, 14);
  for (let round = 0; round < ROUNDS; round++) {
    await letters.untilKilled(running, 40 + 7 * round, round);
    await betweenRounds?.(round);
    running = await open();
    await letters.check(running.url);
  }
  await running.kill();
  const { kept, erased } = letters.acknowledged;
  console.log(`${kept} messages and ${erased} erasures acknowledged over ${ROUNDS} kills, none lost`);
  return kept + erased;
}

it("P-MSG-5 loses no acknowledged message, and brings back none that was erased, when the registry is killed", async () => {
  using folder = temporaryFolder();
  const open = async (): Promise<Killable> => {
    const running = await start(folder.path);
    return { url: running.url, kill: () => kill(running) };
  };
  expect(await punish(open)).toBeGreaterThan(200);
});

it("P-MSG-5 the same on PostgreSQL, when the registry is killed and when the database is", async () => {
  await using server = await startPostgres();
  const database = await server.database("messages");
  using folder = temporaryFolder();
  const open = async (): Promise<Killable> => {
    const running = await startProcess(folder.path, database, 1_000);
    // Until the lease of the one that was killed is over, this one keeps nothing.
    for (let i = 0; i < 200 && (await fetch(`${running.url}/readyz`)).status !== 200; i++) await sleep(100);
    return running;
  };
  const killed = await punish(open, async (round) => {
    if (round % 2 === 0) return;
    await server.kill();
    await server.start();
  });
  expect(killed).toBeGreaterThan(200);
});
