import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home, masked, openTestRegistry, type Ran } from "./_cli.ts";

const ECHO = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));

let home: Home;
const dids: Record<string, string> = {};
const env = (): Record<string, string | undefined> => ({
  PEERAGE_HOME: undefined,
  XDG_DATA_HOME: home.path,
  XDG_CONFIG_HOME: home.path,
  XDG_STATE_HOME: home.path,
  XDG_CACHE_HOME: home.path,
});
const quick = (...argv: string[]): Promise<Ran> => home.call(argv, { env: env() });

beforeAll(async () => {
  home = await Home.make();
  for (const name of ["agent", "fraud", "gate"]) {
    await quick("init", name);
    dids[name] = JSON.parse((await quick("whoami", "--identity", name, "--json")).stdout).data.did;
  }
});
afterAll(() => home[Symbol.asyncDispose]());

async function data(exit: number, ...argv: string[]) {
  const { code, stdout, stderr } = await quick(...argv, "--json");
  expect(code, stdout + stderr).toBe(exit);
  const said = JSON.parse(stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  if (exit === 0) expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

const append = (path: string, who: string, step: string, result: string, ...more: string[]) =>
  data(0, "history", "append", path, "--identity", who, "--step", step, "--result", result, ...more);

describe("peerage history", () => {
  it("begins a run, goes on over its tips, shows who signed what, and verifies whole", async () => {
    const path = join(home.path, "run.json");
    const first = await append(path, "agent", "request_received", "accepted");
    const second = await append(
      path,
      "fraud",
      "fraud_check",
      "passed",
      "--sub",
      "risk=12",
      "--sub",
      "model=m1",
      "--for",
      "1h",
    );
    expect(second).toMatchObject({ run: first.run, prev: [first.digest], entries: 2 });
    const shown = await data(0, "history", "show", path);
    expect(shown).toMatchObject({
      run: first.run,
      tips: [second.digest],
      entries: [{ issuer: dids["agent"] }, { issuer: dids["fraud"], sub: { risk: 12, model: "m1" } }],
    });
    expect(await data(0, "history", "verify", path)).toMatchObject({ tips: [second.digest] });
    expect((await quick("verify", path)).code).toBe(0);
    const { stdout } = await quick("history", "show", path, "--identity", "agent");
    expect(masked(stdout, home).replace(/run [\w-]{22}/, "run R"))
      .toBe(`  ●  #0  you  request_received accepted  2026-01-02T03:04:05Z
  ●  #1  fraud  fraud_check passed  2026-01-02T03:04:05Z on #0

  run R   2 steps, each signed, each over the one before
`);
    const before = await readFile(path, "utf8");
    await data(0, "history", "append", path, "--step", "x", "--result", "y", "--identity", "agent", "--dry-run");
    expect(await readFile(path, "utf8")).toBe(before);
    expect(
      (await quick("history", "append", path, "--identity", "agent", "--step", "Not a word", "--result", "y")).code,
    ).toBe(2);
    expect((await quick("history", "show", join(home.path, "nothing.json"))).code).toBe(5);
  });

  it("A-HIST-01 refuses a history that was cut, reordered, altered or joined from two runs, and adds nothing to it", async () => {
    const path = join(home.path, "good.json");
    const other = join(home.path, "other.json");
    for (const step of ["one", "two", "three"]) await append(path, "agent", step, "done");
    await append(other, "agent", "one", "done");
    const [a, b, c] = JSON.parse(await readFile(path, "utf8")) as [string, string, string];
    const [foreign] = JSON.parse(await readFile(other, "utf8")) as [string];
    const bad = join(home.path, "bad.json");
    const flipped = `${b.slice(0, -10)}${b.at(-10) === "A" ? "B" : "A"}${b.slice(-9)}`;
    for (const tokens of [[b, c], [a, c], [a, c, b], [a, flipped, c], [a, b, b], [a, foreign], [], ["x"], [1], {}]) {
      await writeFile(bad, JSON.stringify(tokens));
      for (const argv of [
        ["show", bad],
        ["verify", bad],
        ["append", bad, "--step", "s", "--result", "r", "--identity", "agent"],
      ])
        expect((await quick("history", ...argv)).code, argv.join(" ")).toBe(6);
      expect(await readFile(bad, "utf8")).toBe(JSON.stringify(tokens));
    }
    // A tail that is left out cannot be seen in what is there; the proof of a call names its tips.
    await writeFile(bad, JSON.stringify([a, b]));
    await data(0, "history", "verify", bad);
  });

  it("is presented with a call, whose receipts go on it: a rule that asks for a passed check admits, and not without", async () => {
    const policy = join(home.path, "policy.yaml");
    await writeFile(
      policy,
      `apiVersion: peerage.dev/v1
kind: Policy
allow:
  - id: checked
    tools: echo
    agents: "${dids["agent"]}"
    require:
      - { step: request_received, by: $caller, at: start, result: accepted }
      - { step: fraud_check, by: "${dids["fraud"]}", within: 1h, after: request_received }
`,
    );
    const guard = [
      process.execPath,
      BIN,
      "--identity",
      "gate",
      "guard",
      "--policy",
      policy,
      "--",
      process.execPath,
      ECHO,
    ];
    const call = (path: string) =>
      home.run(
        ["--identity", "agent", "call", "echo", "--arg", "message=hi", "--history", path, "--json", "--", ...guard],
        { env: env() },
      );
    const path = join(home.path, "call.json");
    await append(path, "agent", "request_received", "accepted");
    // The first contact teaches who the server is; without the check it is refused either way.
    expect((await call(join(home.path, "empty.json"))).code).toBe(3);
    const early = await call(path);
    expect(early.code, early.stdout + early.stderr).toBe(3);
    await append(path, "fraud", "fraud_check", "passed");
    const admitted = await call(path);
    expect(admitted.code, admitted.stdout + admitted.stderr).toBe(0);
    const { entries } = await data(0, "history", "verify", path);
    const steps = entries.map(({ step, result, issuer }: Record<string, string>) => [step, result, issuer]);
    expect(steps.at(-1)).toEqual(["tool_call", "executed", dids["gate"]]);
  });
});

it("verifies what a later key signed by the key events of the log, and refuses it without them", async () => {
  await using registry = await openTestRegistry();
  await using own = await Home.make();
  await own.call(["init", "bot", "--registry", registry.url]);
  const path = join(own.path, "run.json");
  await own.ok(["history", "append", path, "--step", "before", "--result", "done"]);
  const old = await readFile(own.at("keys", "bot.key"), "utf8");
  const event = { hook_event_name: "PreToolUse", session_id: "s", tool_name: "Bash", tool_input: {} };
  const hook = (): Promise<Ran> => own.call(["hook", "--json"], { input: JSON.stringify(event) });
  expect((await hook()).code).toBe(0);
  await own.ok(["key", "rotate"]);
  // What a host's agent does in its session goes on in the same run.
  const session = JSON.parse((await hook()).stdout).data.file;
  const steps = async (): Promise<unknown[]> =>
    JSON.parse((await own.call(["history", "verify", session, "--json"])).stdout).data.entries;
  expect(await steps()).toHaveLength(2);
  await own.ok(["history", "append", path, "--step", "after", "--result", "done"]);
  for (const argv of [
    ["history", "verify", path],
    ["verify", path],
  ]) {
    expect((await own.call(argv)).code, argv.join(" ")).toBe(0);
    expect((await own.call(argv, { env: { PEERAGE_REGISTRY: "http://127.0.0.1:9" } })).code).toBe(7);
  }
  const vouch = JSON.parse(
    (await own.call(["vouch", "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME", "--json"])).stdout,
  ).data;
  const file = join(own.path, "vouch.json");
  await writeFile(file, await own.ok(["show", vouch.id, "--raw"]));
  expect((await own.call(["verify", file])).code).toBe(0);
  // The retired key dates nothing after its end.
  const current = await readFile(own.at("keys", "bot.key"), "utf8");
  await writeFile(own.at("keys", "bot.key"), old);
  const late = join(own.path, "late.json");
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await own.ok(["history", "append", late, "--step", "late", "--result", "done"]);
  expect((await own.call(["history", "verify", late])).code).toBe(6);
  expect((await own.call(["verify", late])).code).toBe(6);
  await writeFile(own.at("keys", "bot.key"), current);
  await rm(late);
  await own.ok(["history", "append", late, "--step", "late", "--result", "done"]);
  expect((await own.call(["history", "verify", late])).code).toBe(0);
  // What the log says of a key is as old as the log.
  await writeFile(join(own.path, "note.txt"), "hello");
  await own.ok(["sign", "note.txt"]);
  const keyOf = async (...flags: string[]): Promise<string> =>
    JSON.parse(await own.ok(["verify", "note.txt", ...flags, "--json"])).data.checks.find(
      ({ name }: { name: string }) => name === "key",
    ).state;
  expect(await keyOf()).toBe("ok");
  expect(await keyOf("--at", new Date(Date.now() + 2 * 86_400_000).toISOString())).toBe("none");
  // A thief dates back: what a stolen key signed is shown, and verifies no more.
  expect(await steps()).toHaveLength(2);
  await own.ok(["key", "rotate", "--compromised-since", "1h"]);
  expect((await hook()).code).toBe(0);
  expect((await own.call(["history", "verify", late])).code).toBe(6);
  expect((await own.call(["verify", late])).code).toBe(6);
  expect((await own.call(["history", "show", late])).code).toBe(0);
});
