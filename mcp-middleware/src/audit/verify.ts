import { existsSync, readFileSync } from "node:fs";
import {
  CompactRange,
  type Did,
  equalBytes,
  parseDid,
  PeerageError,
  type SignedCheckpoint,
  toHex,
  verifyCheckpoint,
} from "@peerage/core";
import { auditKey, auditOrigin, checkpointPath } from "./checkpointer.ts";
import { type GuardDatabase, onDisk, openGuardDatabase } from "./database.ts";
import { type AuditRecord, recordHash } from "./record.ts";

/** What is wrong with a log, and from which record on it does not prove anything. */
export interface AuditDefect {
  /** The place of the first bad record. */
  readonly seq: number;
  /**
   * `edited`: its text is not what was recorded. `missing`: it is gone, others follow. `moved`: it stands in another's
   * place. `truncated`: it is gone, and all after it. `rewritten`: the chain holds, but a signed checkpoint says
   * otherwise, so this record or a later one up to that checkpoint is not what was signed. `checkpoint`: a checkpoint
   * of that size does not verify. `outcome`: it is the outcome of no decision before it.
   */
  readonly kind: "edited" | "missing" | "moved" | "truncated" | "rewritten" | "checkpoint" | "outcome";
}

/** What verification found; a log without `defect` is whole as far as the checkpoints reach. */
export interface AuditReport {
  readonly guard: Did;
  /** How many records there are. */
  readonly size: number;
  /** How many of them, from the start, a valid checkpoint covers. */
  readonly signed: number;
  /** Admitted calls without an outcome. */
  readonly open: number;
  readonly defect?: AuditDefect;
}

export interface VerifyAuditOptions {
  /** The guard whose log it must be; without it the log says itself whose it is. */
  readonly guard?: Did | undefined;
  /** Checkpoints kept elsewhere: they find out a log and checkpoint that were put back together. */
  readonly checkpoints?: readonly string[] | undefined;
}

/**
 * Verifies an audit log from its file alone: the hash chain, the places, and every checkpoint, those beside it included.
 * @throws {PeerageError} ERR_NOT_FOUND, ERR_AUDIT_UNAVAILABLE if it cannot be read at all; ERR_DID_INVALID
 */
export async function verifyAudit(path: string, options: VerifyAuditOptions = {}): Promise<AuditReport> {
  if (!existsSync(path)) throw new PeerageError("ERR_NOT_FOUND", "there is no such log", { detail: "audit" });
  const database = openGuardDatabase(path, { readonly: true });
  try {
    const guard = options.guard ?? ownerOf(database);
    const notes = onDisk(() =>
      database.prepare<[], CheckpointRow>("SELECT size, note FROM checkpoint ORDER BY size").all(),
    );
    const beside = checkpointPath(path);
    const foreign = [...(existsSync(beside) ? [readFileSync(beside, "utf8")] : []), ...(options.checkpoints ?? [])];
    const checkpoints: SignedCheckpoint[] = [];
    const defects: AuditDefect[] = [];
    for (const { size, note } of [...notes, ...foreign.map((note) => ({ size: undefined, note }))]) {
      const checkpoint = await readCheckpoint(note, guard);
      if (checkpoint && (size === undefined || size === checkpoint.size)) checkpoints.push(checkpoint);
      else defects.push({ seq: size ?? 0, kind: "checkpoint" });
    }
    // One snapshot, since the guard may be writing.
    const sorted = checkpoints.sort((a, b) => a.size - b.size);
    return onDisk(() => database.transaction(() => walk(database, guard, sorted, defects))());
  } finally {
    database.close();
  }
}

interface CheckpointRow {
  readonly size: number;
  readonly note: string;
}
interface RecordRow {
  readonly seq: number;
  readonly of: number | null;
  readonly body: string;
  readonly hash: Buffer;
}

function walk(
  database: GuardDatabase,
  guard: Did,
  checkpoints: readonly SignedCheckpoint[],
  defects: AuditDefect[],
): AuditReport {
  const range = CompactRange.empty();
  const open = new Map<number, string>();
  let previous: RecordRow | undefined;
  let previousHash: Uint8Array | undefined;
  let signed = 0;
  let pending = 0;
  const atCheckpoints = (): void => {
    for (; checkpoints[pending]?.size === range.size; pending++) {
      if (equalBytes(checkpoints[pending]?.root ?? new Uint8Array(), range.root())) signed = range.size;
      else defects.push({ seq: signed, kind: "rewritten" });
    }
  };
  atCheckpoints();
  for (const row of database.prepare<[], RecordRow>("SELECT seq, of, body, hash FROM record ORDER BY seq").iterate()) {
    const hash = recordHash(row.body);
    const defect = chainDefect(row, hash, range.size, previousHash) ?? pairDefect(row, open);
    if (defect) {
      defects.push(defect === "link" ? { seq: previous?.seq ?? row.seq, kind: "edited" } : defect);
      break;
    }
    range.append(hash);
    [previous, previousHash] = [row, hash];
    atCheckpoints();
  }
  const size = database.prepare<[], { n: number }>("SELECT count(*) AS n FROM record").get()?.n ?? 0;
  const head = database.prepare<[], { size: number }>("SELECT size FROM head").get()?.size ?? 0;
  const expected = Math.max(head, checkpoints.at(-1)?.size ?? 0);
  if (defects.every(({ kind }) => kind === "checkpoint") && range.size < expected) {
    defects.push({ seq: range.size, kind: "truncated" });
  }
  const [first] = defects.sort((a, b) => a.seq - b.seq);
  return { guard, size, signed, open: open.size, ...(first ? { defect: first } : {}) };
}

/** What is wrong with a record in this place; `link`: with the one before, which it does not name. */
function chainDefect(
  { seq, body, hash: stored }: RecordRow,
  hash: Uint8Array,
  place: number,
  previousHash: Uint8Array | undefined,
): AuditDefect | "link" | undefined {
  if (seq !== place) return { seq: place, kind: "missing" };
  const record = readRecord(body);
  if (!record || !equalBytes(hash, stored)) {
    // A record of another place still has its own text and number.
    return { seq, kind: record !== undefined && record.seq !== seq && equalBytes(hash, stored) ? "moved" : "edited" };
  }
  if (record.seq !== seq) return { seq, kind: "moved" };
  if (record.prev !== (previousHash && toHex(previousHash))) return "link";
  return undefined;
}

function pairDefect({ seq, of, body }: RecordRow, open: Map<number, string>): AuditDefect | undefined {
  const record = readRecord(body);
  if (record?.kind === "decision" && record.verdict === "admitted" && !record.notification) {
    open.set(seq, record.id);
  }
  if ((record?.kind === "outcome") !== (of !== null)) return { seq, kind: "outcome" };
  if (record?.kind !== "outcome" || of === null) return undefined;
  if (of >= seq) return { seq, kind: "outcome" };
  open.delete(of);
  return undefined;
}

function readRecord(body: string): AuditRecord | undefined {
  try {
    const value = JSON.parse(body) as AuditRecord | null;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

async function readCheckpoint(note: string, guard: Did): Promise<SignedCheckpoint | undefined> {
  try {
    return await verifyCheckpoint(note, { origin: auditOrigin(guard), logKey: auditKey(guard) });
  } catch {
    return undefined;
  }
}

function ownerOf(database: GuardDatabase): Did {
  const row = onDisk(() =>
    database.prepare<[], { value: string }>("SELECT value FROM meta WHERE name = 'guard'").get(),
  );
  return parseDid(row?.value);
}
