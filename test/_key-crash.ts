import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { Home } from "./_cli.ts";

const RECORDER = fileURLToPath(new URL("./fixtures/cli-record-open.ts", import.meta.url));

/** A change of keys, by its command. */
export type KeyChange = "rotate" | "recover" | "revoke";

/** A home with an identity `bot` in a registry. */
export async function joinedHome(registry: string): Promise<Home> {
  const home = await Home.make();
  const { code, stderr } = await home.call(["init", "bot", "--registry", registry]);
  if (code !== 0) throw new Error(stderr);
  return home;
}

/** What a key file says. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape it asserts
export async function keyFile(home: Home, name: string): Promise<any> {
  return JSON.parse(await readFile(home.at("keys", name), "utf8"));
}

/** The names of the file operations of a change of keys, in order. */
export async function operationsOf(registry: string, change: KeyChange): Promise<string[]> {
  await using home = await joinedHome(registry);
  const record = join(home.path, "record");
  await home.ok(["key", change], { node: ["--import", RECORDER], env: { RECORD: record } });
  const lines = (await readFile(record, "utf8")).trim().split("\n");
  return lines.map((line) => String((JSON.parse(line) as unknown[])[0]));
}

/**
 * Kills a change of keys before one of its file operations, and runs it again: no key that was there is gone, every file
 * is whole, and there is one event more than before.
 */
export async function crashKeyChange(registry: string, change: KeyChange, at: number): Promise<void> {
  await using home = await joinedHome(registry);
  const what = `${change} at ${at}`;
  const before = ["bot.key", "bot.next", "bot.recovery"].map(
    async (file) => (await keyFile(home, file)).seed as string,
  );
  const seeds = await Promise.all(before);
  const dead = await home.run(["key", change], { node: ["--import", RECORDER], env: { CRASH_AT: String(at) } });
  expect(dead.code, what).toBeNull();
  const files = (await readdir(home.at("keys"))).filter((name) => !name.startsWith("."));
  const kept = await Promise.all(files.map(async (file) => (await keyFile(home, file)).seed as string));
  for (const seed of seeds) expect(kept, what).toContain(seed);
  const again = await home.call(["key", change]);
  expect(again.code, `${what}: ${again.stderr}`).toBe(0);
  const status = await home.call(["key", "status", "--json"]);
  expect(status.code, what).toBe(change === "revoke" ? 3 : 0);
  const { data } = JSON.parse(status.stdout) as { data: object };
  expect(data, what).toMatchObject({
    seq: 1,
    status: change === "revoke" ? "suspended" : "active",
    held: { current: true, next: true },
  });
  expect(data).not.toHaveProperty("pending");
}
