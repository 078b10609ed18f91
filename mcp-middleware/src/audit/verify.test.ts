import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, toHex } from "@peerage/core";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scene, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import { AuditLog } from "./audit-log.ts";
import { checkpointPath } from "./checkpointer.ts";
import { recordHash } from "./record.ts";
import { type AuditDefect, verifyAudit } from "./verify.ts";

const identity = generateIdentity();
let folder: string;
let whole: string;
/** The log as it was after ten records, with its own checkpoint. */
let older: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "peerage-verify-"));
  whole = join(folder, "whole.db");
  older = join(folder, "older.db");
  const { caller } = scene();
  for (let run = 0; run < 2; run++) {
    const { guard } = scene({ identity, audit: new AuditLog({ path: whole, identity }) });
    for (let i = 0; i < 9; i++) {
      const admission = await guard.admit(await signedEcho(caller, guard.did), stdio());
      if (admission.admitted) await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: {} });
    }
    await guard[Symbol.asyncDispose]();
    if (run === 0) for (const suffix of ["", ".checkpoint"]) copyFileSync(whole + suffix, older + suffix);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let copies = 0;
/** A copy of the log after somebody had their hands on it. */
async function defectAfter(
  tamper: (database: Database.Database, path: string) => void,
): Promise<AuditDefect | undefined> {
  const path = join(folder, `copy-${++copies}.db`);
  for (const suffix of ["", ".checkpoint"]) copyFileSync(whole + suffix, path + suffix);
  const database = new Database(path);
  try {
    tamper(database, path);
  } finally {
    database.close();
  }
  return (await verifyAudit(path, { guard: identity.did })).defect;
}

function rewrite(database: Database.Database, seq: number, change: (body: string) => string): void {
  const row = database.prepare<[number], { body: string }>("SELECT body FROM record WHERE seq = ?").get(seq);
  const body = change(row?.body ?? "");
  database.prepare("UPDATE record SET body = ?, hash = ? WHERE seq = ?").run(body, recordHash(body), seq);
}

/** Gives every record from a place on the right link to the one before, as somebody with time would. */
function relink(database: Database.Database, from: number): void {
  const size = database.prepare<[], { n: number }>("SELECT max(seq) + 1 AS n FROM record").get()?.n ?? 0;
  for (let seq = from; seq < size; seq++) {
    const before = database.prepare<[number], { hash: Buffer }>("SELECT hash FROM record WHERE seq = ?").get(seq - 1);
    rewrite(database, seq, (body) =>
      body.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${toHex(before?.hash ?? Buffer.alloc(0))}"`),
    );
  }
}

describe("A-HIST-07 verification of an audit log", () => {
  it("finds nothing in a whole one", async () => {
    expect(await verifyAudit(whole)).toEqual({ guard: identity.did, from: 0, size: 38, signed: 38, open: 0 });
    expect(await defectAfter(() => undefined)).toBeUndefined();
  });

  it("names a record whose text was edited, with or without its hash", async () => {
    const edit = (body: string): string => body.replace('"target":"echo"', '"target":"read"');
    const careless = await defectAfter((database) =>
      database.prepare("UPDATE record SET body = replace(body, 'echo', 'read') WHERE seq = 7").run(),
    );
    const careful = await defectAfter((database) => rewrite(database, 7, edit));
    expect([careless, careful]).toEqual([
      { seq: 7, kind: "edited" },
      { seq: 7, kind: "edited" },
    ]);
    expect(
      await defectAfter((database) => rewrite(database, 37, (body) => body.replace("executed", "errored"))),
    ).toEqual({
      seq: 19,
      kind: "rewritten",
    });
  });

  it("tells by the checkpoints that everything from a record on was written anew", async () => {
    const defect = await defectAfter((database) => {
      rewrite(database, 24, (body) => body.replace("echo", "read"));
      relink(database, 25);
    });
    expect(defect).toEqual({ seq: 19, kind: "rewritten" });
    const early = await defectAfter((database) => {
      rewrite(database, 3, (body) => body.replace("echo", "read"));
      relink(database, 4);
    });
    expect(early).toEqual({ seq: 0, kind: "rewritten" });
  });

  it("names the first record that is gone, and the first that stands elsewhere", async () => {
    expect(await defectAfter((database) => database.prepare("DELETE FROM record WHERE seq = 12").run())).toEqual({
      seq: 12,
      kind: "missing",
    });
    const renumbered = await defectAfter((database) => {
      database.prepare("DELETE FROM record WHERE seq = 12").run();
      for (let seq = 13; seq < 38; seq++) database.prepare("UPDATE record SET seq = ? WHERE seq = ?").run(seq - 1, seq);
    });
    expect(renumbered).toEqual({ seq: 12, kind: "moved" });
    const swapped = await defectAfter((database) => {
      for (const [from, to] of [
        [8, 99],
        [10, 8],
        [99, 10],
      ]) {
        database.prepare("UPDATE record SET seq = ? WHERE seq = ?").run(to, from);
      }
    });
    expect(swapped).toEqual({ seq: 8, kind: "moved" });
  });

  it("tells where a log was cut off, also where the head was put right and the checkpoints in it are gone", async () => {
    expect(await defectAfter((database) => database.prepare("DELETE FROM record WHERE seq >= 30").run())).toEqual({
      seq: 30,
      kind: "truncated",
    });
    const tidy = await defectAfter((database) => {
      database.prepare("DELETE FROM record WHERE seq >= 30").run();
      database.prepare("UPDATE head SET size = 30, hash = (SELECT hash FROM record WHERE seq = 29)").run();
      database.prepare("DELETE FROM checkpoint").run();
    });
    expect(tidy).toEqual({ seq: 30, kind: "truncated" });
  });

  it("tells that an older copy was put back, by the checkpoint beside it or one kept elsewhere", async () => {
    const newest = readFileSync(checkpointPath(whole), "utf8");
    const path = join(folder, "rolled-back.db");
    copyFileSync(older, path);
    writeFileSync(checkpointPath(path), newest);
    expect((await verifyAudit(path)).defect).toEqual({ seq: 19, kind: "truncated" });
    copyFileSync(checkpointPath(older), checkpointPath(path));
    expect((await verifyAudit(path)).defect).toBeUndefined();
    expect((await verifyAudit(path, { checkpoints: [newest] })).defect).toEqual({ seq: 19, kind: "truncated" });

    writeFileSync(checkpointPath(path), newest);
    const { guard, caller } = scene({ identity, audit: new AuditLog({ path, identity }) });
    expect(await verdict(guard.admit(await signedEcho(caller, guard.did), stdio()))).toBe("ERR_AUDIT_UNAVAILABLE");
  });

  it("tells of a checkpoint that is not the guard's, and of an outcome without a decision", async () => {
    const other = generateIdentity();
    const path = join(folder, "other.db");
    const { guard } = scene({ identity: other, audit: new AuditLog({ path, identity: other }) });
    await guard.admit({}, stdio());
    await guard[Symbol.asyncDispose]();
    expect((await verifyAudit(path)).defect).toBeUndefined();
    expect((await verifyAudit(path, { guard: identity.did })).defect).toMatchObject({ kind: "checkpoint" });
    expect(
      await defectAfter((database) => database.prepare("UPDATE record SET of = NULL WHERE seq = 2").run()),
    ).toEqual({
      seq: 2,
      kind: "outcome",
    });
  });
});
