import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Did,
  generateIdentity,
  generateSeed,
  HISTORY_META,
  type Identity,
  identityFromSeed,
  type JsonObject,
  parseEntry,
  signEntry,
  tokenDigest,
} from "@peerage/core";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { permissive, policyOf, replyOf, scene, signed, signedEcho, stdio, unsigned } from "../../../test/_guard.ts";
import type { GuardOptions } from "../guard/guard.ts";
import { receiptOf } from "../guard/results.ts";
import { AuditLog } from "./audit-log.ts";
import { exportLines, verifyExport } from "./export.ts";
import { type AuditedCall, AuditReader } from "./reader.ts";
import { checkKeptReceipt } from "./receipts.ts";
import { rotateAudit } from "./rotate.ts";
import { verifyAudit } from "./verify.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-receipts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
interface Recording extends AsyncDisposable {
  readonly path: string;
  readonly guard: Did;
  readonly caller: Identity;
  /** Makes one call. @returns the receipt that came with the answer */
  call(message?: JsonObject, answer?: JsonObject): Promise<string | undefined>;
}

function recording(options: Partial<GuardOptions> = {}): Recording {
  const identity = options.identity ?? generateIdentity();
  const path = join(folder, `${++files}.db`);
  const { guard, caller } = scene({ identity, audit: new AuditLog({ path, identity }), ...options });
  return {
    path,
    guard: guard.did,
    caller,
    async call(message, answer = { result: { content: [{ type: "text", text: "done" }] } }) {
      const admission = await guard.admit(message ?? (await signedEcho(caller, guard.did)), stdio());
      if (!admission.admitted) return receiptOf((await replyOf(admission)) ?? null);
      const response = { jsonrpc: "2.0", id: admission.decision.requestId ?? null, ...answer };
      return receiptOf(await guard.settle(admission.decision, response));
    },
    [Symbol.asyncDispose]: () => guard[Symbol.asyncDispose](),
  };
}

/** Its calls, oldest first, each with the receipt that is kept of it. */
function kept(path: string): { readonly call: AuditedCall; readonly token: string | undefined }[] {
  using reader = new AuditReader(path);
  return [...reader.calls()].reverse().map((call) => ({ call, token: reader.receipt(call) }));
}

describe("a guard keeps the receipts that it signs", () => {
  it("byte for byte as they went out, of what was executed, failed and was refused, each with its call", async () => {
    await using guarded = recording({ policy: policyOf([{ tools: "echo", agents: "*" }]) });
    const executed = await guarded.call();
    const errored = await guarded.call(undefined, { error: { code: -32603, message: "it broke" } });
    const denied = await guarded.call(
      await signed(guarded.caller, guarded.guard, "tools/call", { name: "other", arguments: {} }),
    );
    await guarded.call(unsigned(7));
    const calls = kept(guarded.path);
    expect(calls.map(({ token }) => token)).toEqual([executed, errored, denied, undefined]);
    expect(executed).toBeTypeOf("string");
    expect(calls.map(({ call }) => call.outcome?.receipt)).toEqual([
      tokenDigest(executed!),
      tokenDigest(errored!),
      undefined,
      undefined,
    ]);
    const found = calls.slice(0, 3).map(({ call, token }) => checkKeptReceipt(token!, guarded.guard, call).result);
    expect(found).toEqual(["executed", "errored", "refused"]);
    expect(parseEntry(executed).audience).toBe(guarded.caller.did);
  });

  it("before they go out; and where the log takes nothing any more, the done call's answer goes out, and an alarm", async () => {
    const identity = generateIdentity();
    const path = join(folder, `${++files}.db`);
    const audit = new AuditLog({ path, identity });
    const alarms: unknown[] = [];
    const { guard, caller } = scene({ identity, audit, onAlarm: (problem) => alarms.push(problem) });
    const admission = await guard.admit(await signedEcho(caller, guard.did), stdio());
    if (!admission.admitted) throw new Error(admission.reason);
    await audit[Symbol.asyncDispose]();
    const result = { content: [{ type: "text", text: "done" }] };
    const response = await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result });
    expect(response).toMatchObject({ id: 1, result });
    expect(alarms).toEqual([expect.objectContaining({ code: "ERR_AUDIT_UNAVAILABLE" })]);
    expect(kept(path).map(({ call, token }) => [call.outcome?.outcome, token])).toEqual([["abandoned", undefined]]);
    expect((await verifyAudit(path)).defect).toBeUndefined();
  });

  it("and signs none for a call that was given up while its answer was looked at", async () => {
    const identity = generateIdentity();
    const path = join(folder, `${++files}.db`);
    const audit = new AuditLog({ path, identity });
    let giveUp = (): void => undefined;
    const after = (): undefined => {
      giveUp();
    };
    const { guard, caller } = scene({ identity, audit, hooks: { after } });
    const settled: boolean[] = [];
    for (const isGivenUp of [false, true]) {
      const admission = await guard.admit(await signedEcho(caller, guard.did), stdio());
      if (!admission.admitted) throw new Error(admission.reason);
      if (isGivenUp) giveUp = () => guard.abandon(admission.decision, "cancelled");
      const response = await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
      settled.push(receiptOf(response) !== undefined);
    }
    expect(settled).toEqual([true, false]);
    await guard[Symbol.asyncDispose]();
    const ends = kept(path).map(({ call, token }) => [call.outcome?.outcome, token !== undefined]);
    expect(ends).toEqual([
      ["executed", true],
      ["cancelled", false],
    ]);
  });

  it("takes none for a call's own that is another's, was altered, or is of another guard", async () => {
    await using guarded = recording();
    for (let i = 0; i < 2; i++) await guarded.call();
    const [first, second] = kept(guarded.path);
    const check = (token: string, guard: Did = guarded.guard) => {
      return (): unknown => checkKeptReceipt(token, guard, { ...first!.call, outcome: unnamed(first!.call) });
    };
    expect(check(first!.token!)).not.toThrow();
    const refused = (detail: string): unknown => expect.objectContaining({ code: "ERR_RECEIPT_INVALID", detail });
    expect(check(second!.token!)).toThrow(refused("call"));
    expect(check(first!.token!, generateIdentity().did)).toThrow(refused("issuer"));
    expect(check(altered(first!.token!))).toThrow(refused("signature"));
    expect(() => checkKeptReceipt(second!.token!, guarded.guard, first!.call)).toThrow(refused("bytes"));
  });

  it("A-HIST-07 and verification names the record whose receipt is another, in the log and in an export", async () => {
    const path = await threeCalls();
    const other = kept(path)[1]!.token!;
    const first = kept(path)[0]!.call.outcome!.seq;
    const exported = exportOf(path);
    expect((await verifyExport(exported)).defect).toBeUndefined();
    expect((await verifyExport(exported.replace(other, altered(other)))).defect).toMatchObject({
      kind: "entry",
    });
    change(path, "UPDATE receipt SET token = ? WHERE seq = ?", other, first);
    expect((await verifyAudit(path)).defect).toEqual({ seq: first, kind: "entry" });
    // One that was erased, as the law may ask, proves nothing and contradicts nothing.
    change(path, "DELETE FROM receipt WHERE seq = ?", first);
    expect((await verifyAudit(path)).defect).toBeUndefined();
    expect(kept(path)[0]!.token).toBeUndefined();
  });

  it("A-HIST-07 and takes no other key's word for a refusal, nor another receipt of its own, nor one that no record names", async () => {
    await using guarded = recording({ policy: policyOf([{ tools: "echo", agents: "*" }]) });
    await guarded.call();
    const executed = kept(guarded.path)[0]!;
    await guarded.call(await signed(guarded.caller, guarded.guard, "tools/call", { name: "other", arguments: {} }));
    const { call, token } = kept(guarded.path)[1]!;
    const { seq } = call.decision;
    expect((await verifyAudit(guarded.path)).defect).toBeUndefined();
    const refused = (detail: string): unknown => expect.objectContaining({ code: "ERR_RECEIPT_INVALID", detail });
    const { run, result, req, audience: aud, call: jti, tool, sub } = parseEntry(token);
    const forger = identityFromSeed(generateSeed(), { did: guarded.guard });
    const claims = { run, prev: [], step: "tool_call", result, req, aud, call: jti, tool, sub };
    const forged = await signEntry(forger, { ...claims, result: "refused" });
    for (const [other, detail] of [
      [forged, "signature"],
      [executed.token!, "call"],
    ] as const) {
      change(guarded.path, "UPDATE receipt SET token = ? WHERE seq = ?", other, seq);
      expect(() => checkKeptReceipt(other, guarded.guard, call)).toThrow(refused(detail));
      expect((await verifyAudit(guarded.path)).defect).toEqual({ seq, kind: "entry" });
    }
    // The receipt of an execution, where the record says that nothing was executed.
    const { outcome: _outcome, ...decided } = executed.call;
    expect(() => checkKeptReceipt(executed.token!, guarded.guard, decided)).toThrow(refused("outcome"));
    change(guarded.path, "UPDATE receipt SET token = ? WHERE seq = ?", token!, seq);
    expect((await verifyAudit(guarded.path)).defect).toBeUndefined();
    // The first record says that the guard began: it has no receipt.
    change(guarded.path, "INSERT INTO receipt VALUES (0, ?)", token!);
    expect((await verifyAudit(guarded.path)).defect).toEqual({ seq: 0, kind: "entry" });
  });

  it("and exports those that were presented since, also when the entries of histories are kept no more", async () => {
    await using guarded = recording();
    const { path, caller, guard } = guarded;
    const first = (await guarded.call())!;
    const more = { meta: { [HISTORY_META]: [first] }, head: [tokenDigest(first)] };
    await guarded.call(await signed(caller, guard, "tools/call", { name: "echo", arguments: {} }, more));
    const wanted = kept(path).map(({ token }) => JSON.stringify({ kind: "entry", token }));
    const entries = (): string[] =>
      exportOf(path)
        .split("\n")
        .filter((line) => line.startsWith('{"kind":"entry"'));
    expect(entries().toSorted()).toEqual(wanted.toSorted());
    change(path, "DELETE FROM entry");
    expect(entries()).toEqual(wanted);
  });

  it("and archives them with their records, where they verify", async () => {
    const path = await threeCalls();
    const tokens = kept(path).map(({ token }) => token!);
    const archive = rotateAudit(path);
    expect(kept(path)).toEqual([]);
    const { defect, entries } = await verifyExport(readFileSync(archive!.path, "utf8"));
    expect(defect).toBeUndefined();
    expect(tokens.map((token) => entries.get(tokenDigest(token))?.token)).toEqual(tokens);
    using database = reopened(path);
    expect(database.database.prepare("SELECT count(*) FROM receipt").pluck().get()).toBe(0);
  });

  it("also one that comes in while its record is archived: it goes to the next archive", async () => {
    const identity = generateIdentity();
    const path = await threeCalls(identity);
    const [{ call, token }] = kept(path) as [ReturnType<typeof kept>[number]];
    change(path, "DELETE FROM receipt WHERE seq = ?", call.outcome!.seq);
    // Between the writing of the archive and the end of the rotation.
    change(
      path,
      `CREATE TRIGGER late AFTER INSERT ON meta WHEN new.name = 'base'
       BEGIN INSERT INTO receipt VALUES (${call.outcome!.seq}, '${token!}'); END`,
    );
    const digest = tokenDigest(token!);
    const holds = async (archive: string): Promise<boolean> =>
      (await verifyExport(readFileSync(archive, "utf8"))).entries.has(digest);
    expect(await holds(rotateAudit(path)!.path)).toBe(false);
    change(path, "DROP TRIGGER late");
    expect((await verifyAudit(path)).defect).toBeUndefined();
    await threeCalls(identity, path);
    expect(await holds(rotateAudit(path)!.path)).toBe(true);
    expect((await verifyAudit(path)).defect).toBeUndefined();
    using database = reopened(path);
    expect(database.database.prepare("SELECT count(*) FROM receipt").pluck().get()).toBe(0);
  });

  it("but none where it signs none; and a file of an older guard is read, and gets its place for them", async () => {
    {
      await using silent = recording({ receipts: false });
      expect(await silent.call()).toBeUndefined();
      expect(kept(silent.path).map(({ call, token }) => [call.outcome?.receipt, token])).toEqual([
        [undefined, undefined],
      ]);
    }
    const identity = generateIdentity();
    const path = await threeCalls(identity);
    change(path, "DROP TABLE receipt");
    expect(kept(path).map(({ token }) => token)).toEqual([undefined, undefined, undefined]);
    expect(exportOf(path)).not.toContain('"kind":"entry"');
    expect((await verifyAudit(path)).defect).toBeUndefined();
    const { guard, caller } = scene({ identity, policy: permissive(), audit: new AuditLog({ path, identity }) });
    const admission = await guard.admit(await signedEcho(caller, guard.did), stdio());
    if (admission.admitted) await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: {} });
    await guard[Symbol.asyncDispose]();
    expect(kept(path).map(({ token }) => token !== undefined)).toEqual([false, false, false, true]);
    expect((await verifyAudit(path)).defect).toBeUndefined();
  });
});

/** The token with one character in the midst of its signature changed. */
function altered(token: string): string {
  const at = token.length - 40;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

async function threeCalls(identity: Identity = generateIdentity(), path?: string): Promise<string> {
  const again = path === undefined ? {} : { audit: new AuditLog({ path, identity }) };
  await using guarded = recording({ identity, ...again });
  for (let i = 0; i < 3; i++) await guarded.call();
  return guarded.path;
}

/** An outcome as a log would hold it that names no receipt. */
function unnamed({ outcome }: AuditedCall): AuditedCall["outcome"] {
  const { receipt: _receipt, ...rest } = outcome!;
  return rest;
}

function exportOf(path: string): string {
  using reader = new AuditReader(path);
  return [...exportLines(reader)].join("\n");
}

function reopened(path: string): { readonly database: Database.Database } & Disposable {
  const database = new Database(path);
  return { database, [Symbol.dispose]: () => void database.close() };
}

function change(path: string, sql: string, ...values: readonly (string | number)[]): void {
  using opened = reopened(path);
  opened.database.prepare(sql).run(...values);
}
