import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { PeerageError, toHex } from "@peerage/core";
import { type GuardDatabase, onDisk, openGuardDatabase, readBase } from "./database.ts";
import { exportLines } from "./export.ts";
import { AuditReader } from "./reader.ts";

/** What a rotation moved out of the log. */
export interface Rotated {
  /** The archive, an export that verifies on its own. */
  readonly path: string;
  /** Records `from` ≤ seq < `to`. */
  readonly from: number;
  /** The first record that is not among them. */
  readonly to: number;
}

/** Where records from a place on are archived, beside the log. */
export function archivePath(path: string, from: number): string {
  return `${path}.${String(from).padStart(12, "0")}.ndjson`;
}

/**
 * Moves the records up to a signed checkpoint out of the log, into a file beside it that verifies on its own. The chain
 * goes on: the next record names the last archived one, and checkpoints are still over all records since the first. Needs
 * no key, and may be done while guards write. What waits for a person, and what was used up, stays in the log.
 * @param options.keep - how many of the newest records stay at least; none by default
 * @returns undefined if there is no checkpoint to cut at
 * @throws {PeerageError} ERR_NOT_FOUND, ERR_AUDIT_UNAVAILABLE; then the log is as it was
 */
export function rotateAudit(path: string, options: { readonly keep?: number } = {}): Rotated | undefined {
  // Only reading fails if nothing is there: a mistyped name must not make a log.
  using reader = new AuditReader(path);
  const database = openGuardDatabase(path);
  try {
    return onDisk(() => rotate(database, reader, path, options.keep ?? 0));
  } finally {
    database.close();
  }
}

function rotate(database: GuardDatabase, reader: AuditReader, path: string, keep: number): Rotated | undefined {
  const from = readBase(database)?.size ?? 0;
  const to = database
    .prepare<[number, number], { size: number }>(
      "SELECT size FROM checkpoint WHERE size > ? AND size <= (SELECT size FROM head) - ? ORDER BY size DESC LIMIT 1",
    )
    .get(from, keep)?.size;
  if (to === undefined) return undefined;
  const archive = archivePath(path, from);
  // A refusal's receipt follows its record: one that comes in while the archive is written goes to the next.
  database.prepare("CREATE TEMP TABLE archived AS SELECT seq FROM receipt WHERE seq < ?").run(to);
  // One that is there is of a rotation that was cut short: all that it holds is still in the log.
  writeDurably(archive, exportLines(reader, { to }));
  database.pragma("synchronous = FULL");
  database
    .transaction(() => {
      if ((readBase(database)?.size ?? 0) !== from) {
        throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "another process rotated the log meanwhile", {
          detail: "rotated",
        });
      }
      const last = database.prepare<[number], { hash: Buffer }>("SELECT hash FROM record WHERE seq = ?").get(to - 1);
      if (!last) throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "the log has a gap", { detail: "gap" });
      const base = JSON.stringify({ size: to, prev: toHex(last.hash) });
      database.prepare("INSERT OR REPLACE INTO meta VALUES ('base', ?)").run(base);
      database.prepare("DELETE FROM record WHERE seq < ?").run(to);
      database.exec("DELETE FROM receipt WHERE seq IN (SELECT seq FROM archived)");
      database.prepare("DELETE FROM checkpoint WHERE size < ?").run(to);
    })
    .immediate();
  return { path: archive, from, to };
}

/** Writes a file whole and to the disk, or not at all. */
function writeDurably(path: string, lines: Iterable<string>): void {
  const draft = `${path}.${process.pid}`;
  const file = openSync(draft, "w", 0o600);
  try {
    for (const line of lines) writeSync(file, `${line}\n`);
    fsyncSync(file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
