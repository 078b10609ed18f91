/** Deciding: without signatures at 100 rules, over a history at first sight and again, and how soon a change is in force. */
import { createPublicKey, verify as nodeVerify } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CALL_META,
  concat,
  decide,
  fromBase64url,
  fromHex,
  generateIdentity,
  generateRun,
  type Identity,
  type JsonObject,
  parsePolicy,
  type PolicyInput,
  publicKeyOf,
  signCall,
  signEntry,
  tokenDigest,
  utf8,
  verifyHistory,
} from "@peerage/core";
import { BIN, Home } from "../test/_cli.ts";
import { node, rawServer, StdioPeer } from "../test/_mcp.ts";
import { median, perSecond, quantile, type Row, type Section } from "./report.ts";

const caller = generateIdentity();
const server = generateIdentity();
const RULES = 100;
const ENTRIES = 10;
const HISTORIES = 300;
const ROUNDS = 9;

export async function benchPolicy(): Promise<Section> {
  const rows = [...decisions(), ...(await histories()), ...(await changes())];
  return { title: "Policy: decisions, histories, changes in a running guard", rows };
}

function decisions(): Row[] {
  const rules = (make: (i: number) => object): ReturnType<typeof parsePolicy> =>
    parsePolicy(
      JSON.stringify({
        apiVersion: "peerage.dev/v1",
        kind: "Policy",
        allow: Array.from({ length: RULES }, (_, i) => make(i)),
      }),
    );
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
  const args = { amount: { ">=": 0, "<": 1_000 }, currency: "USD" };
  const cases = [
    ["of which one names the tool", rules((i) => ({ tools: i === RULES - 1 ? "pay" : `t${i}`, agents: "*" })), "allow"],
    ["all about the tool, arguments fail in each", rules(() => ({ tools: "pay", agents: "*", args })), "deny"],
    ["all about the tool, trust fails in each", rules(() => ({ tools: "pay", agents: "*", trust: 0.5 })), "deny"],
    ["all patterns, none fits", rules((i) => ({ tools: `*-${i}-*`, agents: "*" })), "deny"],
  ] as const;
  return cases.map(([what, policy, effect]) => ({
    what: `decisions at ${RULES} rules, ${what}`,
    value: `${perSecond(
      cpuRate(() => {
        if (decide(policy, call).effect !== effect) throw new Error(`the effect is not ${effect}`);
      }),
    )} of CPU time`,
    goal: "≥ 100,000/s",
  }));
}

/** Calls a second of this process's own CPU time, which other processes do not take part in. */
function cpuRate(action: () => void): { perSecond: number; spread: number } {
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage();
    let calls = 0;
    let used = 0;
    while (used < 200_000) {
      for (let i = 0; i < 1_000; i++) action();
      calls += 1_000;
      const { user, system } = process.cpuUsage(start);
      used = user + system;
    }
    rates.push((calls * 1_000_000) / used);
  }
  const middle = median(rates);
  return { perSecond: middle, spread: (Math.max(...rates) - Math.min(...rates)) / middle };
}

/** Ten entries of four signers of three organisations, as a chain; each history is seen for the first time once. */
async function histories(): Promise<Row[]> {
  const signers = Array.from({ length: 4 }, () => generateIdentity());
  const all = await Promise.all(Array.from({ length: HISTORIES }, () => history(signers)));
  const key = rawKey(signers[0]!);
  const [header = "", claims = "", signaturePart = ""] = all[0]![0]!.split(".");
  const signed = utf8(`${header}.${claims}`);
  const signature = fromBase64url(signaturePart);
  const now = new Date();
  const [raws, firsts, agains]: number[][] = [[], [], []];
  for (const tokens of all) {
    const head = [tokenDigest(tokens.at(-1)!)];
    const verify = (): void => void verifyHistory(tokens, head, { now, keyStood: () => true });
    raws!.push(time(() => nodeVerify(null, signed, key, signature)));
    firsts!.push(time(verify));
    agains!.push(time(verify));
  }
  const [raw, first, again] = [median(raws!), median(firsts!), median(agains!)];
  return [
    { what: "raw crypto.verify of one entry's bytes", value: us(raw), ratio: "reference" },
    {
      what: `history of ${ENTRIES} entries by 4 signers, first sight`,
      value: us(first),
      ratio: `${(first / raw).toFixed(1)} × raw`,
      goal: "< 12 × raw",
    },
    { what: "… the same again", value: us(again), ratio: `${(again / raw).toFixed(2)} × raw`, goal: "< 100 µs" },
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
async function changes(): Promise<Row[]> {
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
  const times: Record<string, number[]> = {};
  const measure = async (name: string, argv: readonly string[], wanted: boolean): Promise<void> => {
    const done = home.data(["policy", ...argv]);
    let last = 0;
    for (let sent = Date.now(); (await isAdmitted()) !== wanted; sent = Date.now()) last = sent;
    const { marker = path } = (await done) as { marker?: string };
    (times[name] ??= []).push(Math.max(0, last - (await stat(marker)).ctimeMs));
  };
  for (let round = 0; round < ROUNDS; round++) {
    await measure("grant", ["grant", caller.did, "echo", "--policy", path], true);
    await measure("deny-all", ["deny-all"], false);
    await home.ok(["policy", "deny-all", "--off"]);
    await measure("revoke", ["revoke", caller.did, "--policy", path], false);
  }
  return Object.entries(times).map(([name, all]) => ({
    what: `${name}: how long after the change on disk a call was sent that did not see it`,
    value: `${median(all).toFixed(0)} ms, at most ${quantile(all, 1).toFixed(0)} ms`,
    ratio: `${ROUNDS} rounds, one guard process`,
    goal: "< 50 ms",
  }));
}

function rawKey({ did }: Identity): ReturnType<typeof createPublicKey> {
  const spki = concat(fromHex("302a300506032b6570032100"), publicKeyOf(did).bytes);
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
}

function time(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

function us(ms: number): string {
  return `${(ms * 1000).toFixed(1)} µs`;
}
