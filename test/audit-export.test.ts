import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, generateRun, type Identity, type Policy, signEntry, tokenDigest } from "@peerage/core";
import {
  ApprovalStore,
  archivePath,
  AuditLog,
  AuditReader,
  createGuard,
  denyEverything,
  exportLines,
  type Guard,
  otlpLines,
  rotateAudit,
  signAnswer,
  verifyAudit,
  verifyExport,
} from "@peerage/mcp-middleware";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { Home } from "./_cli.ts";
import { HISTORY_META, policyOf, signed, stdio, verdict } from "./_guard.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [alice, checker] = [generateIdentity(), generateIdentity()];
let files = 0;

interface Scene {
  readonly path: string;
  readonly identity: Identity;
  readonly caller: Identity;
  readonly guard: Guard;
  policy: Policy;
  readonly call: (tool: string, args?: object, history?: readonly string[]) => Promise<string>;
}

async function scene(path = join(folder, `${++files}.db`), identity = generateIdentity()): Promise<Scene> {
  const caller = generateIdentity();
  const made = {
    path,
    identity,
    caller,
    policy: policyOf([
      { id: "echo", tools: "echo", agents: "*", args: { n: { ">=": 0 } } },
      { id: "checked", tools: "pay", agents: "*", require: [{ step: "fraud_check", by: checker.did }], custody: "any" },
      { id: "asked", tools: "wire", agents: "*", approval: { by: alice.did } },
    ]),
  };
  const audit = new AuditLog({ path, identity, args: "redacted" });
  const guard = await createGuard({ identity, policy: () => made.policy, audit, approvals: { waitSeconds: 0 } });
  const call: Scene["call"] = async (name, args = {}, history = []) => {
    const more = { meta: { [HISTORY_META]: [...history], traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01` } };
    const head = history.length > 0 ? { head: [tokenDigest(history.at(-1) ?? "")] } : {};
    const { [HISTORY_META]: _, ...plain } = more.meta;
    const options = { meta: history.length > 0 ? more.meta : plain, ...head };
    const message = await signed(caller, guard.did, "tools/call", { name, arguments: args as never }, options);
    const admission = await guard.admit(message, stdio());
    if (admission.admitted) await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
    return verdict(admission);
  };
  return Object.assign(made, { guard, call });
}

async function approve(path: string): Promise<void> {
  using store = new ApprovalStore(path);
  for (const item of store.list()) store.submit(item.id, await signAnswer(alice, item, "approved"));
}

/** A log in which one of everything happened, closed. */
async function everything(): Promise<Scene> {
  const made = await scene();
  const run = generateRun();
  const begun = await signEntry(alice, { run, prev: [], step: "request_received", result: "accepted" });
  const prev = [tokenDigest(begun)];
  const passed = await signEntry(checker, { run, prev, step: "fraud_check", result: "passed" });
  expect(await made.call("echo", { n: 1, secret: "hunter2" })).toBe("admitted");
  expect(await made.call("echo", { n: -1 })).toBe("ERR_POLICY_DENIED");
  expect(await made.call("pay", {}, [begun, passed])).toBe("admitted");
  expect(await made.call("wire")).toBe("ERR_APPROVAL_REQUIRED");
  await approve(made.path);
  expect(await made.call("wire")).toBe("admitted");
  const { policy } = made;
  made.policy = denyEverything("incident 17");
  expect(await made.call("echo", { n: 1 })).toBe("ERR_POLICY_DENIED");
  made.policy = policy;
  await made.guard[Symbol.asyncDispose]();
  return made;
}

let whole: Scene;
let text: string;
beforeAll(async () => {
  whole = await everything();
  using reader = new AuditReader(whole.path);
  text = [...exportLines(reader)].join("\n");
});

describe("an exported log", () => {
  it("verifies from its text alone, with the entries that decisions rest on and the policies that ruled", async () => {
    const found = await verifyExport(text, { guard: whole.guard.did });
    const log = await verifyAudit(whole.path);
    expect(found).toMatchObject({ guard: whole.guard.did, from: 0, size: log.size, signed: log.size, open: 0 });
    expect(found.defect).toBeUndefined();
    const wired = found.records.find((record) => record.kind === "decision" && record.spent !== undefined);
    if (wired?.kind !== "decision") throw new Error("the approved call is not there");
    const [approval] = wired.spent!.map((digest) => found.entries.get(digest)!);
    expect(approval).toMatchObject({ issuer: alice.did, step: "human_approval", result: "approved", req: wired.req });
    // What the approval builds on is there too: that the guard asked.
    expect(approval!.prev.map((digest) => found.entries.get(digest)?.result)).toEqual(["pending"]);
    expect(found.policies.get(wired.policy)?.allow).toHaveLength(3);
    const paid = found.records.find((record) => record.kind === "decision" && record.target === "pay");
    if (paid?.kind !== "decision") throw new Error("the checked call is not there");
    expect(paid.evidence!.map((digest) => found.entries.get(digest)?.issuer)).toEqual([checker.did]);
    expect(text).not.toContain("hunter2");
  });

  it("A-HIST-07 names the first line that was edited, moved or taken out, and the end that was cut off", async () => {
    const lines = text.split("\n");
    const isRecord = (line: string): boolean => line.startsWith('{"v":1,"seq"');
    const records = lines.filter(isRecord);
    const rest = lines.slice(1).filter((line) => !isRecord(line));
    const defect = async (changed: readonly string[], beside = rest) =>
      (await verifyExport([lines[0], ...changed, ...beside].join("\n"), { guard: whole.guard.did })).defect;
    expect(await defect(records)).toBeUndefined();
    const at = (n: number, line: string): string[] => records.map((one, i) => (i === n ? line : one));
    const edited = at(3, records[3]!.replace("pay", "pat").replace("echo", "ecco").replace("admitted", "refused"));
    expect(await defect(edited)).toEqual({ seq: 3, kind: "edited" });
    expect(await defect(at(3, "not json"))).toEqual({ seq: 3, kind: "edited" });
    expect(await defect(records.filter((_, i) => i !== 3))).toEqual({ seq: 3, kind: "missing" });
    expect(await defect(records.map((one, i) => records[i === 3 ? 5 : i === 5 ? 3 : i] ?? one))).toEqual({
      seq: 3,
      kind: "moved",
    });
    expect(await defect([...records.slice(0, 4), records[3]!, ...records.slice(4)])).toMatchObject({ seq: 4 });
    expect(await defect(records.slice(0, -2))).toEqual({ seq: records.length - 2, kind: "truncated" });
    const last = records.at(-1)!.replace('"at":"2', '"at":"1');
    expect(await defect(at(records.length - 1, last))).toMatchObject({ kind: "rewritten" });
    const beside = (from: string, to: string): string[] => rest.map((line) => line.replace(from, to));
    expect(await defect(records, beside('"agents":"*"', '"agents":"@x"'))).toMatchObject({ kind: "policy" });
    expect(await defect(records, beside('"token":"e', '"token":"f'))).toMatchObject({ kind: "entry" });
    expect(await defect(records, beside("peerage-audit", "peerage-other"))).toMatchObject({ kind: "checkpoint" });
    // Somebody else's log is not this guard's, however well it is signed.
    const foreign = text.replaceAll(whole.guard.did, generateIdentity().did);
    expect((await verifyExport(foreign)).defect).toBeDefined();
    expect((await verifyExport(text, { guard: alice.did })).defect).toMatchObject({ kind: "checkpoint" });
    for (const nothing of ["", "{}", "[]", '{"kind":"export","v":2}', "\u0000"]) {
      await expect(verifyExport(nothing)).rejects.toMatchObject({ code: "ERR_AUDIT_UNAVAILABLE" });
    }
  });

  it("is OpenTelemetry logs for a collector, with the seven fields of an agent's audit record", () => {
    using reader = new AuditReader(whole.path);
    const lines = [...otlpLines(reader)].map((line) => JSON.parse(line));
    expect(lines).toHaveLength(reader.size);
    const records = lines.map((line) => {
      const [{ resource, scopeLogs }] = line.resourceLogs;
      const [{ scope, logRecords }] = scopeLogs;
      expect([scope.name, logRecords.length]).toEqual(["peerage.audit", 1]);
      expect(resource.attributes).toContainEqual({ key: "service.name", value: { stringValue: "peerage-guard" } });
      const [record] = logRecords;
      expect(record.timeUnixNano).toMatch(/^\d{19}$/);
      const values = record.attributes.map(({ key, value }: { key: string; value: object }) => [
        key,
        Object.values(value)[0],
      ]);
      return { ...record, facts: Object.fromEntries(values) };
    });
    const decisions = records.filter(({ eventName }) => eventName === "peerage.decision");
    const paid = decisions.find(({ facts }) => facts["gen_ai.tool.name"] === "pay");
    expect(paid).toMatchObject({
      severityText: "INFO",
      traceId: "ab".repeat(16),
      body: { stringValue: "admitted tools/call pay" },
    });
    expect(paid.facts).toMatchObject({
      "peerage.agent.did": whole.caller.did,
      "peerage.subject.did": alice.did,
      "peerage.audience": whole.guard.did,
      "peerage.req": expect.stringMatching(/^sha256:/),
      "mcp.method.name": "tools/call",
      "peerage.verdict": "admitted",
      "peerage.rule": "checked",
      "peerage.policy": expect.stringMatching(/^sha256:/),
      "peerage.run": expect.stringMatching(/^[\w-]{22}$/),
      "peerage.call": expect.any(String),
      "peerage.binding": "message",
      "peerage.score": "unknown",
    });
    const stopped = decisions.at(-1);
    expect(stopped).toMatchObject({ severityText: "WARN" });
    expect(stopped.facts).toMatchObject({
      "error.type": "ERR_POLICY_DENIED",
      "peerage.cause": "deny-all: incident 17",
    });
    const outcome = records.find(
      ({ facts }) => facts["peerage.decision"] === paid.facts["peerage.decision"] && facts["peerage.outcome"],
    );
    expect(outcome.facts).toMatchObject({
      "peerage.outcome": "executed",
      "peerage.res": expect.stringMatching(/^sha256:/),
    });
    const approvals = records.filter(({ eventName }) => eventName === "peerage.approval");
    expect(approvals.map(({ facts }) => facts["peerage.action"])).toEqual(["asked", "approved"]);
    expect(JSON.stringify(lines)).not.toContain("hunter2");
  });
});

describe("a rotated log", () => {
  it("A-HIST-07 goes on where its archive ends; both verify, and neither can be replaced, cut or left out unseen", async () => {
    const made = await scene();
    for (let n = 0; n < 5; n++) await made.call("echo", { n });
    expect(await made.call("wire")).toBe("ERR_APPROVAL_REQUIRED");
    await approve(made.path);
    await made.guard[Symbol.asyncDispose]();
    const before = await verifyAudit(made.path);
    const rotated = rotateAudit(made.path);
    expect(rotated).toEqual({ path: archivePath(made.path, 0), from: 0, to: before.size });
    expect(statSync(rotated!.path).mode & 0o077).toBe(0);
    expect(await verifyAudit(made.path)).toEqual({ ...before, from: before.size, open: 0 });
    expect(rotateAudit(made.path)).toBeUndefined();

    // A guard goes on over the same file; what a person approved is still there, once.
    const next = await scene(made.path, made.identity);
    for (let n = 0; n < 3; n++) await next.call("echo", { n });
    await next.guard[Symbol.asyncDispose]();
    const log = await verifyAudit(made.path, { guard: made.guard.did });
    expect(log.defect).toBeUndefined();
    expect(log.size).toBeGreaterThan(before.size + 5);
    expect(log.signed).toBe(log.size);
    const archive = readFileSync(rotated!.path, "utf8");
    expect(await verifyExport(archive, { guard: made.guard.did })).toMatchObject({
      from: 0,
      size: before.size,
      signed: before.size,
    });
    using reader = new AuditReader(made.path);
    const late = await verifyExport([...exportLines(reader)].join("\n"));
    expect(late).toMatchObject({ from: before.size, size: log.size, signed: log.size });
    expect(late.defect).toBeUndefined();
    // Another beginning than the signed one shows, in the export and in the file.
    const [head, ...rest] = [...exportLines(reader)];
    const other = JSON.stringify({ ...JSON.parse(head!), prev: "00".repeat(32) });
    expect((await verifyExport([other, ...rest].join("\n"))).defect).toBeDefined();

    const again = rotateAudit(made.path, { keep: 2 });
    expect(again).toBeUndefined();
    expect(rotateAudit(made.path)).toMatchObject({ from: before.size, to: log.size });
    await using home = await Home.make();
    const verify = async (exit: number) => {
      const { code, stdout, stderr } = await home.call(["audit", "verify", made.path, "--json"]);
      expect(code, stdout + stderr).toBe(exit);
      return JSON.parse(stdout).data;
    };
    expect(await verify(0)).toMatchObject({ archives: 2, from: log.size });
    writeFileSync(rotated!.path, archive.replace('"target":"echo"', '"target":"read"'));
    expect(await verify(6)).toMatchObject({ defect: { kind: "edited" } });
    writeFileSync(rotated!.path, archive);
    rmSync(archivePath(made.path, before.size));
    expect(await verify(0)).toMatchObject({ archives: 0 });
  });

  it("archives by itself once it has so many records, and at no other time", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    try {
      const path = join(folder, `${++files}.db`);
      const identity = generateIdentity();
      await using audit = new AuditLog({ path, identity, rotateRecords: 20 });
      const guard = await createGuard({ identity, policy: policyOf([{ tools: "echo", agents: "*" }]), audit });
      const caller = generateIdentity();
      const call = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
          const message = await signed(caller, guard.did, "tools/call", { name: "echo", arguments: {} });
          expect(await verdict(guard.admit(message, stdio()))).toBe("admitted");
        }
      };
      await call(10);
      await audit.checkpoint();
      vi.advanceTimersByTime(10_000);
      expect((await verifyAudit(path)).from).toBe(0);
      await call(20);
      await audit.checkpoint();
      vi.advanceTimersByTime(10_000);
      const report = await verifyAudit(path, { guard: identity.did });
      expect(report).toMatchObject({ from: 31, size: 31 });
      expect(report.defect).toBeUndefined();
      await call(1);
      expect((await verifyAudit(path)).defect).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  it("is written by two processes while it rotates, and the checkpoints go on over all records", async () => {
    const path = join(folder, `${++files}.db`);
    const identity = generateIdentity();
    const [one, two] = [await scene(path, identity), await scene(path, identity)];
    for (let n = 0; n < 6; n++) await (n % 2 === 0 ? one : two).call("echo", { n });
    await one.guard[Symbol.asyncDispose]();
    expect(rotateAudit(path)).toBeDefined();
    // The other had read nothing of what is gone now.
    for (let n = 0; n < 6; n++) await two.call("echo", { n });
    await two.guard[Symbol.asyncDispose]();
    const report = await verifyAudit(path, { guard: identity.did });
    expect(report.defect).toBeUndefined();
    expect(report.signed).toBe(report.size);
  });
});

describe("on the command line", () => {
  it("an export verifies and calls replay as they were decided; a file that was edited, and another policy, differ", async () => {
    await using home = await Home.make();
    const data = async (exit: number, ...argv: string[]) => {
      const { code, stdout, stderr } = await home.call([...argv, "--json"]);
      expect(code, stdout + stderr).toBe(exit);
      const said = JSON.parse(stdout);
      expect(answerEnvelope.safeParse(said).error).toBeUndefined();
      expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
      return said.data;
    };
    const out = join(home.path, "calls.ndjson");
    await data(0, "audit", "export", "--audit", whole.path, "--out", out);
    expect(statSync(out).mode & 0o077).toBe(0);
    expect((await home.call(["audit", "export", "--audit", whole.path, "--out", out])).code).toBe(2);
    expect(readFileSync(out, "utf8").trimEnd()).toBe(text);
    expect((await home.call(["audit", "export", "--audit", whole.path])).stdout.trimEnd()).toBe(text);
    expect((await home.call(["audit", "export", "--audit", whole.path, "--format", "otlp"])).stdout).toContain(
      "resourceLogs",
    );
    expect(await data(0, "audit", "verify", out, "--guard", whole.guard.did)).toMatchObject({ guard: whole.guard.did });
    writeFileSync(out, text.replace("incident", "accident").replace('"target":"echo"', '"target":"read"'));
    expect(await data(6, "audit", "verify", out)).toHaveProperty("defect");

    expect(await data(0, "calls", "replay", "--audit", whole.path)).toMatchObject({
      counts: { same: 6, differs: 0, undecidable: 0 },
    });
    const policy = join(home.path, "policy.yaml");
    writeFileSync(policy, "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
    expect(await data(3, "calls", "replay", "--audit", whole.path, "--policy", policy)).toMatchObject({
      counts: { differs: 4 },
    });
    using reader = new AuditReader(whole.path);
    const [paid] = [...reader.calls({ target: "pay" })];
    expect(await data(0, "calls", "replay", String(paid!.decision.seq), "--audit", whole.path)).toMatchObject({
      counts: { same: 1 },
    });
  });
});
