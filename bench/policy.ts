/** Deciding: without signatures, over a history at first sight and again, and how soon a change is in force. */
import { verify as nodeVerify } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CALL_META,
  decide,
  fromBase64url,
  generateIdentity,
  generateRun,
  type Identity,
  type JsonObject,
  type PolicyInput,
  signCall,
  signEntry,
  tokenDigest,
  utf8,
  verifyHistory,
} from "@peerage/core";
import { BIN, Home } from "../test/_cli.ts";
import { policyOf } from "../test/_guard.ts";
import { node, rawServer, StdioPeer } from "../test/_mcp.ts";
import { nodeKeyOf } from "./keys.ts";
import type { Measurement } from "./lib/figures.ts";
import { at, cpuMs, measured, measureRates, rateOptions, type Repeated, type Scale } from "./lib/measure.ts";

const caller = generateIdentity();
const server = generateIdentity();
const RULES = 100;
const ENTRIES = 10;

export async function benchPolicy(scale: Scale): Promise<Measurement[]> {
  return [
    ...(await measureRates(decisions(), rateOptions(scale))),
    ...(await histories(at(scale, { quick: 2, normal: 8 }), at(scale, { quick: 10, normal: 60 }))),
    ...(await changes(at(scale, { quick: 2, normal: 5 }))),
  ];
}

const call: PolicyInput = {
  v: 1,
  now: "2026-11-20T12:00:00Z",
  method: "tools/call",
  target: "pay",
  tool: "pay",
  server: server.did,
  calling_agent: caller.did,
  caller: { did: caller.did, binding: "message", scheme: "peerage-call" },
  args: { amount: 4_200, currency: "USD" },
  trust: { tools: 0.4 },
  trust_age_seconds: 1,
};

type Rule = (i: number, count: number) => JsonObject;

/** Four kinds of policies at a hundred rules, and how the slowest of them grows with its rules. */
function decisions(): Repeated[] {
  const args = { amount: { ">=": 0, "<": 1_000 }, currency: "USD" };
  const oneNames: Rule = (i, count) => ({ tools: i === count - 1 ? "pay" : `t${i}`, agents: "*" });
  const allTheTool: Rule = () => ({ tools: "pay", agents: "*", args });
  const kinds: readonly [name: string, what: string, rule: Rule, effect: string][] = [
    ["one-names", "of which one names the tool", oneNames, "allow"],
    ["arguments", "all about the tool, arguments fail in each", allTheTool, "deny"],
    ["trust", "all about the tool, trust fails in each", () => ({ tools: "pay", agents: "*", trust: 0.5 }), "deny"],
    ["patterns", "all patterns, none fits", (i) => ({ tools: `*-${i}-*`, agents: "*" }), "deny"],
  ];
  const decision = (name: string, what: string, rule: Rule, count: number, effect: string): Repeated => {
    const policy = policyOf(Array.from({ length: count }, (_, i) => rule(i, count)));
    return {
      id: `policy/${name}`,
      what,
      run: () => {
        if (decide(policy, call).effect !== effect) throw new Error(`the effect is not ${effect}`);
      },
    };
  };
  return [
    ...kinds.map(([name, what, rule, effect]): Repeated => ({
      ...decision(name, `decisions at ${RULES} rules, ${what}`, rule, RULES, effect),
      goal: { of: "value", atLeast: 100_000 },
    })),
    ...[1, 10, 1_000].map((count) =>
      decision(
        `arguments-${count}`,
        `… at ${count === 1 ? "one rule" : `${count.toLocaleString("en-US")} rules`}, all about the tool, arguments fail in each`,
        allTheTool,
        count,
        "deny",
      ),
    ),
  ];
}

/** Ten entries of four signers, as a chain; each history is seen for the first time once. */
async function histories(rounds: number, count: number): Promise<Measurement[]> {
  const signers = Array.from({ length: 4 }, () => generateIdentity());
  const key = nodeKeyOf(signers[0]!.did);
  const taken = { raw: [] as number[], first: [] as number[], again: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    const all = await Promise.all(Array.from({ length: count }, () => history(signers)));
    const [header = "", claims = "", signaturePart = ""] = all[0]![0]!.split(".");
    const [signed, signature] = [utf8(`${header}.${claims}`), fromBase64url(signaturePart)];
    const now = new Date();
    const each = (action: (tokens: readonly string[]) => unknown): number =>
      (cpuMs(() => all.forEach((tokens) => action(tokens))) * 1_000) / count;
    const verify = (tokens: readonly string[]): unknown =>
      verifyHistory([...tokens], [tokenDigest(tokens.at(-1)!)], { now, keyStood: () => true });
    const times = {
      raw: each(() => nodeVerify(null, signed, key, signature)),
      first: each(verify),
      again: each(verify),
    };
    if (round >= 0) for (const name of ["raw", "first", "again"] as const) taken[name].push(times[name]);
  }
  const beside = "policy/history-raw";
  const what = `history of ${ENTRIES} entries by 4 signers`;
  return [
    measured(beside, "raw crypto.verify of one entry's bytes", "µs", taken.raw),
    measured("policy/history-first", `${what}, first sight`, "µs", taken.first, {
      beside,
      goal: { of: "ratio", atMost: 12 },
    }),
    measured("policy/history-again", "… the same again", "µs", taken.again, {
      beside,
      goal: { of: "value", atMost: 100 },
    }),
  ];
}

async function history(signers: readonly Identity[]): Promise<string[]> {
  const run = generateRun();
  const tokens: string[] = [];
  for (let i = 0; i < ENTRIES; i++) {
    const prev = tokens.slice(-1).map(tokenDigest);
    tokens.push(await signEntry(signers[i % signers.length]!, { run, prev, step: `step_${i}`, result: "passed" }));
  }
  return tokens;
}

/** From the moment a change is on disk to the sending of the last call that did not see it; calls follow without a pause. */
async function changes(rounds: number): Promise<Measurement[]> {
  await using home = await Home.make();
  const path = join(home.path, "policy.yaml");
  await writeFile(
    path,
    `apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - { tools: other, agents: "${server.did}" }\n`,
  );
  await home.ok(["init", "gate"]);
  const audience = await home.did();
  const env = { PEERAGE_HOME: join(home.path, "peerage") };
  await using guard = new StdioPeer([node, BIN, "guard", "--policy", path, "--", ...rawServer], env);
  await guard.initialize();
  const isAdmitted = async (): Promise<boolean> => {
    const params = { name: "echo", arguments: {} };
    const token = await signCall(caller, { audience, message: { method: "tools/call", params } });
    const answer = (await guard.request("tools/call", { ...params, _meta: { [CALL_META]: token } })) as JsonObject;
    return JSON.stringify(answer).includes('"content"') && !JSON.stringify(answer).includes('"isError":true');
  };
  const measure = async (argv: readonly string[], wanted: boolean): Promise<number> => {
    const done = home.data(["policy", ...argv]);
    let last = 0;
    for (let sent = Date.now(); (await isAdmitted()) !== wanted; sent = Date.now()) last = sent;
    const { marker = path } = (await done) as { marker?: string };
    return Math.max(0, last - (await stat(marker)).ctimeMs);
  };
  const times = { grant: [] as number[], denyAll: [] as number[], revoke: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    times.grant.push(await measure(["grant", caller.did, "echo", "--policy", path], true));
    times.denyAll.push(await measure(["deny-all"], false));
    await home.ok(["policy", "deny-all", "--off"]);
    times.revoke.push(await measure(["revoke", caller.did, "--policy", path], false));
  }
  const row = (id: string, command: string, rounds: readonly number[]): Measurement =>
    measured(
      `policy/${id}`,
      `${command}: how long after it is on disk a call was sent that did not see it`,
      "ms",
      rounds,
      {
        goal: { of: "value", atMost: 50 },
      },
    );
  return [
    row("grant", "peerage policy grant", times.grant),
    row("deny-all", "peerage policy deny-all", times.denyAll),
    row("revoke", "peerage policy revoke", times.revoke),
  ];
}
