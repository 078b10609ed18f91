import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, type Identity, type JsonObject, replayCalls, resultDigest } from "@peerage/core";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it } from "vitest";
import { http, policyOf, replyOf, scene, signed, signedEcho, stdio, unsigned, verdict } from "../../../test/_guard.ts";
import { createGuard } from "../guard/create-guard.ts";
import type { GuardOptions } from "../guard/guard.ts";
import { AuditLog, type AuditLogOptions } from "./audit-log.ts";
import { checkpointPath } from "./checkpointer.ts";
import { AuditReader } from "./reader.ts";
import type { AuditRecord, DecisionBody } from "./record.ts";
import { verifyAudit } from "./verify.ts";

const folders: string[] = [];
function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "peerage-audit-"));
  folders.push(folder);
  return join(folder, "audit.db");
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Audited {
  readonly guard: ReturnType<typeof scene>["guard"];
  readonly caller: Identity;
  readonly path: string;
  readonly identity: Identity;
}

function audited(options: Partial<GuardOptions> = {}, log: Partial<AuditLogOptions> = {}): Audited {
  const identity = generateIdentity();
  const path = log.path ?? newPath();
  const now = options.now ?? ((): Date => new Date());
  const audit = new AuditLog({ path, identity, now, ...log });
  const { guard, caller } = scene({ identity, audit, ...options });
  return { guard, caller, path, identity };
}

/** One call from admission to answer. */
async function call(
  guard: Audited["guard"],
  message: JsonObject,
  result: JsonObject = { content: [] },
): Promise<string> {
  const admission = await guard.admit(message, stdio());
  if (!admission.admitted) return admission.reason;
  await guard.settle(admission.decision, { jsonrpc: "2.0", id: message["id"] ?? null, result });
  return "admitted";
}

function recordsOf(path: string): AuditRecord[] {
  using reader = new AuditReader(path);
  return [...reader.records()];
}

describe("the audit log", () => {
  it("is a private file, opened at the first decision, and begins with what the self-test proved", async () => {
    const identity = generateIdentity();
    const path = newPath();
    const policy = policyOf([{ tools: "echo", agents: "*" }]);
    const guard = await createGuard({ identity, policy, audit: new AuditLog({ path, identity }) });
    expect(existsSync(path)).toBe(false);
    expect(await verdict(guard.admit(unsigned(1), stdio()))).toBe("ERR_PROOF_MISSING");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await guard[Symbol.asyncDispose]();
    const [start] = recordsOf(path);
    expect(start).toMatchObject({ seq: 0, kind: "start", guard: identity.did, policy: policy.digest });
    expect(start?.kind === "start" && start.selfTest?.passed).toContain("unsigned");
  });

  it("records the decision before the call goes on and the outcome after, and both say what they must", async () => {
    const { guard, caller, path } = audited();
    const message = await signedEcho(caller, guard.did, { secret: "4711" });
    const admission = await guard.admit(message, stdio());
    expect(recordsOf(path).map(({ kind }) => kind)).toEqual(["start", "decision"]);
    if (!admission.admitted) throw new Error("refused");
    const result = { content: [{ type: "text", text: "done" }] };
    await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result });
    const [, decision, outcome] = recordsOf(path);
    expect(decision).toMatchObject({
      verdict: "admitted",
      caller: { did: caller.did, kid: caller.kid, binding: "message", score: "unknown" },
      method: "tools/call",
      target: "echo",
      rule: "allow[0]",
      policy: admission.decision.policy,
      call: admission.decision.proof?.jti,
      req: admission.decision.proof?.req,
    });
    expect(outcome).toMatchObject({ kind: "outcome", outcome: "executed", res: resultDigest(result) });
    await guard[Symbol.asyncDispose]();
    expect(await verifyAudit(path, { guard: guard.did })).toEqual({
      guard: guard.did,
      from: 0,
      size: 3,
      signed: 3,
      open: 0,
    });
  });

  it("A-HIST-08 holds arguments by digest only, unless more is asked for", async () => {
    const policy = policyOf([{ tools: "echo", agents: "*", args: { "to.name": "bob", "/n": { "<": 9 } } }]);
    const args = { to: { name: "bob", iban: "DE00SECRET" }, n: 3, note: "SECRET" };
    const recorded = async (mode: AuditLogOptions["args"]): Promise<DecisionBody["input"]> => {
      const { guard, caller, path } = audited({ policy }, { args: mode });
      expect(await call(guard, await signedEcho(caller, guard.did, args))).toBe("admitted");
      expect(await verdict(guard.admit(unsigned(2), stdio()))).toBe("ERR_PROOF_MISSING");
      await guard[Symbol.asyncDispose]();
      const text = JSON.stringify(recordsOf(path));
      expect(text.includes("SECRET")).toBe(mode === "full");
      using reader = new AuditReader(path);
      const [found] = [...reader.calls({ verdict: "admitted" })];
      return found?.decision.input;
    };
    expect(await recorded(undefined)).not.toHaveProperty("args");
    expect(await recorded("redacted")).toMatchObject({ args: { to: { name: "bob" }, n: 3 }, argsAre: "redacted" });
    expect(await recorded("full")).toMatchObject({ args, argsAre: "full" });
  });

  it("A-HIST-08 refuses with ERR_AUDIT_UNAVAILABLE when the disk is full, and nothing is reached", async () => {
    const { guard, caller, path } = audited({}, { maxBytes: 180_000 });
    const verdicts: string[] = [];
    for (let i = 0; i < 120 && !verdicts.includes("ERR_AUDIT_UNAVAILABLE"); i++) {
      verdicts.push(await call(guard, await signedEcho(caller, guard.did)));
    }
    expect([verdicts[0], verdicts.at(-1)]).toEqual(["admitted", "ERR_AUDIT_UNAVAILABLE"]);
    const reply = await replyOf(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(reply).toMatchObject({
      error: { code: -31500, data: { reason: "ERR_AUDIT_UNAVAILABLE", retryable: true } },
    });
    await guard[Symbol.asyncDispose]();
    expect((await verifyAudit(path)).defect).toBeUndefined();
  });

  it("A-HIST-08 refuses where the file cannot be opened or is not its own, and goes on once it can", async () => {
    const folder = newPath();
    const alarms: unknown[] = [];
    const { guard, caller } = audited(
      { onAlarm: (problem) => alarms.push(problem) },
      { path: join(folder, "audit.db") },
    );
    expect(await call(guard, await signedEcho(caller, guard.did))).toBe("ERR_AUDIT_UNAVAILABLE");
    expect(alarms.length).toBeGreaterThan(0);
    mkdirSync(folder);
    expect(await call(guard, await signedEcho(caller, guard.did))).toBe("admitted");

    const foreign = newPath();
    const other = new Database(foreign);
    other.exec("CREATE TABLE mine (x)");
    other.close();
    const text = newPath();
    writeFileSync(text, "not a database, but longer than the header of one would be: ".repeat(20));
    const link = newPath();
    symlinkSync(foreign, link);
    const owned = audited();
    expect(await call(owned.guard, await signedEcho(owned.caller, owned.guard.did))).toBe("admitted");
    for (const path of [foreign, text, link, owned.path]) {
      const broken = audited({}, { path });
      expect(await call(broken.guard, await signedEcho(broken.caller, broken.guard.did))).toBe("ERR_AUDIT_UNAVAILABLE");
    }
    await owned.guard[Symbol.asyncDispose]();
    await guard[Symbol.asyncDispose]();
  });

  it("closes a file that others may read", async () => {
    const path = newPath();
    writeFileSync(path, "");
    chmodSync(path, 0o644);
    const { guard, caller } = audited({}, { path });
    expect(await call(guard, await signedEcho(caller, guard.did))).toBe("admitted");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await guard[Symbol.asyncDispose]();
  });

  it("is shared by several guards of one identity, and stays one chain", async () => {
    const identity = generateIdentity();
    const path = newPath();
    const guards = [1, 2, 3].map(() => audited({ identity }, { path, identity }));
    for (let round = 0; round < 5; round++) {
      const calls = guards.map(async ({ guard, caller }) => call(guard, await signedEcho(caller, guard.did)));
      expect(await Promise.all(calls)).toEqual(["admitted", "admitted", "admitted"]);
    }
    for (const { guard } of guards) await guard[Symbol.asyncDispose]();
    expect(await verifyAudit(path, { guard: identity.did })).toMatchObject({ size: 33, signed: 33, open: 0 });
  });

  it("signs a checkpoint after 256 records and at a clean stop", async () => {
    const { guard, path } = audited();
    for (let i = 0; i < 300; i++) await guard.admit(unsigned(i), stdio());
    using reader = new AuditReader(path);
    await expect.poll(() => reader.checkpoints().length).toBe(1);
    await guard[Symbol.asyncDispose]();
    expect(await verifyAudit(path)).toMatchObject({ size: 301, signed: 301 });
  });

  it("signs all records at a clean stop, also those that came while a checkpoint was being signed", async () => {
    const { guard, path } = audited();
    for (let i = 0; i < 280; i++) void guard.admit(unsigned(i), stdio());
    await guard[Symbol.asyncDispose]();
    expect(await verifyAudit(path)).toMatchObject({ size: 281, signed: 281 });
  });

  it("A-RATE-05 counts a flood without identity, refused or of pings, instead of filling the disk", async () => {
    let now = new Date("2026-11-20T12:00:00Z");
    const { guard, caller, path } = audited({ now: () => now });
    for (let i = 0; i < 2_000; i++) await guard.admit(unsigned(i, i % 2 === 0 ? "ping" : "tools/call"), stdio());
    expect(await call(guard, await signed(caller, guard.did, "tools/call", { name: "echo" }, { now }))).toBe(
      "admitted",
    );
    now = new Date(now.getTime() + 60_000);
    await guard.admit(unsigned(1), stdio());
    await guard[Symbol.asyncDispose]();
    const records = recordsOf(path);
    expect(records.length).toBeLessThan(1_000);
    expect(records).toContainEqual(expect.objectContaining({ kind: "suppressed", messages: 1_400 }));
  });

  it("tells how calls ended that got no answer", async () => {
    const { guard, caller, path } = audited();
    for (const outcome of ["cancelled", "errored", "abandoned", "unsent"] as const) {
      const admission = await guard.admit(await signedEcho(caller, guard.did), stdio());
      if (!admission.admitted) throw new Error("refused");
      guard.abandon(admission.decision, outcome);
      guard.abandon(admission.decision, outcome);
    }
    const failed = await guard.admit(await signedEcho(caller, guard.did), stdio());
    if (!failed.admitted) throw new Error("refused");
    await guard.settle(failed.decision, { jsonrpc: "2.0", id: 1, result: { isError: true, content: [] } });
    await guard.admit(await signedEcho(caller, guard.did), stdio());
    await guard[Symbol.asyncDispose]();
    const outcomes = recordsOf(path).filter((record) => record.kind === "outcome");
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      "cancelled",
      "errored",
      "abandoned",
      "errored",
      "errored",
      "abandoned",
    ]);
    expect(outcomes[3]).toMatchObject({ sent: false });
  });

  it("is read by filter, by place, by id, and followed while it is written", async () => {
    const { guard, caller, path } = audited();
    await call(guard, await signedEcho(caller, guard.did));
    await guard.admit(unsigned(7), http());
    using reader = new AuditReader(path);
    expect([...reader.calls()].map(({ decision }) => decision.verdict)).toEqual(["refused", "admitted"]);
    const [refusal] = reader.calls({ reason: "ERR_PROOF_MISSING" });
    const [admitted] = reader.calls({ caller: caller.did, target: "echo", verdict: "admitted" });
    expect(refusal?.decision).toMatchObject({ step: "proof", reason: "ERR_PROOF_MISSING" });
    expect(admitted?.outcome).toMatchObject({ outcome: "executed" });
    expect(reader.call(admitted?.decision.seq ?? -1)).toEqual(admitted);
    expect(reader.call(admitted?.decision.id.slice(0, 8) ?? "")).toEqual(admitted);
    expect([...reader.calls({ since: new Date(Date.now() + 1_000) })]).toEqual([]);

    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of reader.follow({ signal: stop.signal, pollMs: 5 })) {
        seen.push(record.kind);
        if (seen.length === 2) stop.abort();
      }
    })();
    await call(guard, await signedEcho(caller, guard.did));
    await following;
    expect(seen).toEqual(["decision", "outcome"]);
    await guard[Symbol.asyncDispose]();
  });

  it("keeps what another policy can be tried on, and says where too little was kept", async () => {
    const policy = policyOf([{ tools: "echo", agents: "*", args: { n: { "<": 9 } } }]);
    const stricter = policyOf([{ tools: "echo", agents: "*", args: { n: { "<": 5 } } }]);
    const other = policyOf([{ tools: "echo", agents: "*", args: { to: "bob" } }]);
    const verdicts = async (args: AuditLogOptions["args"]): Promise<string[]> => {
      const { guard, caller, path } = audited({ policy }, { args });
      for (const n of [1, 7]) await call(guard, await signedEcho(caller, guard.did, { n, to: "bob" }));
      await guard[Symbol.asyncDispose]();
      using reader = new AuditReader(path);
      const calls = [...reader.calls()].flatMap(({ decision }) => reader.recorded(decision) ?? []);
      expect(reader.policy(policy.digest)).toEqual(policy.document);
      return [stricter, other].map((next) => {
        const { same, undecidable } = replayCalls(policy, next, calls).counts;
        return `${same} same, ${undecidable} undecidable`;
      });
    };
    expect(await verdicts("full")).toEqual(["1 same, 0 undecidable", "2 same, 0 undecidable"]);
    expect(await verdicts("redacted")).toEqual(["1 same, 0 undecidable", "0 same, 2 undecidable"]);
    expect(await verdicts("digest")).toEqual(["0 same, 2 undecidable", "0 same, 2 undecidable"]);
  });

  it("is verified while it is written, and not begun anew beside a checkpoint that cannot be read", async () => {
    const { guard, caller, path, identity } = audited();
    for (let i = 0; i < 20; i++) {
      const calls = [call(guard, await signedEcho(caller, guard.did)), verifyAuditOf(path)];
      await Promise.all(calls);
    }
    await guard[Symbol.asyncDispose]();
    writeFileSync(checkpointPath(path), "not a checkpoint");
    const next = audited({ identity }, { path, identity });
    expect(await call(next.guard, await signedEcho(next.caller, identity.did))).toBe("ERR_AUDIT_UNAVAILABLE");
  });
});

async function verifyAuditOf(path: string): Promise<void> {
  if (existsSync(path)) expect(await verifyAudit(path)).not.toHaveProperty("defect");
}
