/** What it costs a guard to decide about one call, in process: how it grows with rules, history, arguments and calls at once. */
import { verify as nodeVerify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CALL_META,
  fromBase64url,
  generateIdentity,
  generateRun,
  HISTORY_META,
  type Identity,
  type JsonObject,
  type Policy,
  signCall,
  signEntry,
  tokenDigest,
  utf8,
} from "@peerage/core";
import { type Admission, AuditLog, createGuard, type Guard, MemoryReplayStore } from "@peerage/mcp-middleware";
import { permissive, policyOf, stdio } from "../test/_guard.ts";
import { benchIdentity, nodeKeyOf } from "./keys.ts";
import type { Measurement } from "./lib/figures.ts";
import { at, measurePrepared, type Prepared, type Scale } from "./lib/measure.ts";

const caller = benchIdentity("caller");
const server = benchIdentity("server");
const reference = "admission/raw-verify";

/** A round takes so many calls, fewer where making one takes long. */
const CALLS = 400;

export async function benchAdmission(scale: Scale): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-admission-"));
  const rounds = at(scale, { quick: 3, normal: 10 });
  const factor = at(scale, { quick: 0.1, normal: 1 });
  try {
    await using audit = new AuditLog({ path: join(folder, "audit.db"), identity: server });
    const plain = await guardOf(permissive());
    const cases = [
      rawVerify(),
      admitting("plain", "admit one call", plain),
      settling("receipt", "… and sign the receipt of its answer", plain),
      settling("recorded", "… both recorded in an audit log (SQLite)", await guardOf(permissive(), { audit })),
      ...(await Promise.all([10, 100, 1_000].map(underRules))),
      ...[1, 10, 50, 200].map((entries) => withHistory(plain, entries)),
      withHistory(plain, 200, true),
      ...[16, 256].map((kib) => admitting(`args-${kib}k`, `… with arguments of ${kib} KiB`, plain, { kib })),
      ...[16, 256].map((count) => atOnce(plain, count)),
    ];
    const scaled = cases.map((one) => ({ ...one, count: Math.max(4, Math.round(one.count * factor)) }));
    return await measurePrepared(scaled, rounds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function guardOf(policy: Policy, more: { audit?: AuditLog } = {}): Promise<Guard> {
  // One caller floods the guard as none may.
  const replay = new MemoryReplayStore({ startedAt: new Date(Date.now() - 400_000), maxEntriesPerDid: 1e6 });
  return createGuard({ identity: server, policy, replay, ...more });
}

function rawVerify(): Prepared<unknown> {
  const key = nodeKeyOf(caller.did);
  return {
    id: reference,
    what: "raw crypto.verify of the proof's bytes",
    count: CALLS,
    make: async (count) => {
      const message = { method: "tools/call", params: { name: "echo", arguments: {} } };
      const [header = "", claims = "", signature = ""] = (
        await signCall(caller, { audience: server.did, message })
      ).split(".");
      const signed = { bytes: utf8(`${header}.${claims}`), signature: fromBase64url(signature) };
      return Array.from({ length: count }, () => signed);
    },
    run: (signed) => {
      const { bytes, signature } = signed as { bytes: Uint8Array; signature: Uint8Array };
      if (!nodeVerify(null, bytes, key, signature)) throw new Error("the signature does not hold");
    },
  };
}

/** A call as it comes over a pipe: its text. */
function admitting(name: string, what: string, guard: Guard, { kib = 0, tool = "echo" } = {}): Prepared<unknown> {
  return {
    id: `admission/${name}`,
    what,
    beside: reference,
    count: Math.round(CALLS / (1 + kib / 8)),
    make: (count) => calls(count, () => callText(caller, tool, { text: "a".repeat(kib * 1_024) })),
    run: (text) => admitAndForget(guard, text as string),
  };
}

/** Of a thousand rules none is about the tool but the last. */
async function underRules(count: number): Promise<Prepared<unknown>> {
  const allow = Array.from({ length: count }, (_, i) => ({ tools: i === count - 1 ? "pay" : `t${i}`, agents: "*" }));
  const guard = await guardOf(policyOf(allow));
  return admitting(`rules-${count}`, `… under ${count.toLocaleString("en-US")} rules, the last admits`, guard, {
    tool: "pay",
  });
}

function settling(name: string, what: string, guard: Guard): Prepared<unknown> {
  return {
    ...admitting(name, what, guard),
    run: async (text) => {
      const { decision, message } = await admitted(guard, text as string);
      const result = { content: [{ type: "text", text: "hi" }] };
      await guard.settle(decision, { jsonrpc: "2.0", id: message["id"]!, result });
    },
  };
}

function atOnce(guard: Guard, count: number): Prepared<unknown> {
  return { ...admitting(`at-once-${count}`, `… ${count} at once`, guard), count: 512, atOnce: count };
}

/** Each history is that of another caller, as one caller may make a guard check a thousand new entries a minute only. */
function withHistory(guard: Guard, entries: number, isKnown = false): Prepared<unknown> {
  const make = async (): Promise<string> => {
    const who = generateIdentity();
    const run = generateRun();
    const tokens: string[] = [];
    for (let i = 0; i < entries; i++) {
      const prev = tokens.slice(-1).map(tokenDigest);
      tokens.push(await signEntry(who, { run, prev, step: `step_${i}`, result: "passed" }));
    }
    const text = (): Promise<string> => callText(who, "echo", {}, tokens);
    if (isKnown) await admitAndForget(guard, await text());
    return text();
  };
  return {
    id: `admission/history-${entries}${isKnown ? "-again" : ""}`,
    what: `… with a history of ${entries}, ${isKnown ? "known" : "first sight"}`,
    beside: reference,
    count: Math.max(10, Math.round(CALLS / (1 + entries / 2))),
    make: (count) => calls(count, make),
    run: (text) => admitAndForget(guard, text as string),
  };
}

async function calls(count: number, make: () => Promise<string>): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push(await make());
  return texts;
}

let lastId = 0;

async function callText(
  who: Identity,
  name: string,
  args: JsonObject,
  history: readonly string[] = [],
): Promise<string> {
  const carried = history.length === 0 ? {} : { [HISTORY_META]: [...history] };
  const params = { name, arguments: args, _meta: carried };
  const head = history.slice(-1).map(tokenDigest);
  const signed = {
    audience: server.did,
    message: { method: "tools/call", params },
    ...(head.length > 0 ? { head } : {}),
  };
  const token = await signCall(who, signed);
  const meta = { ...carried, [CALL_META]: token };
  return JSON.stringify({ jsonrpc: "2.0", id: ++lastId, method: "tools/call", params: { ...params, _meta: meta } });
}

/** What is not forgotten counts as a call that runs, of which a caller may have so many. */
async function admitAndForget(guard: Guard, text: string): Promise<void> {
  guard.abandon((await admitted(guard, text)).decision, "abandoned");
}

async function admitted(guard: Guard, text: string): Promise<Extract<Admission, { admitted: true }>> {
  const admission = await guard.admitText(text, stdio());
  if (!admission.admitted) throw new Error(`a call was refused: ${admission.reason}`);
  return admission;
}
