import { existsSync, readFileSync } from "node:fs";
import {
  CompactRange,
  type Did,
  equalBytes,
  fromHex,
  parseDid,
  PeerageError,
  type SignedCheckpoint,
  toHex,
  verifyCheckpoint,
} from "@peerage/core";
import { auditKey, auditOrigin, checkpointPath } from "./checkpointer.ts";
import { type AuditBase, type GuardDatabase, onDisk, openGuardDatabase, readBase } from "./database.ts";
import { isReceiptOf, keptReceipts } from "./receipts.ts";
import { type AuditRecord, recordHash } from "./record.ts";

/** What is wrong with a log, and from which record on it does not prove anything. */
export interface AuditDefect {
  /** The place of the first bad record. */
  readonly seq: number;
  /**
   * `edited`: its text is not what was recorded. `missing`: it is gone, others follow. `moved`: it stands in another's
   * place. `truncated`: it is gone, and all after it. `rewritten`: the chain holds, but a signed checkpoint says
   * otherwise, so this record or a later one up to that checkpoint is not what was signed. `checkpoint`: a checkpoint
   * of that size does not verify. `outcome`: it is the outcome of no decision before it. `entry`: the receipt beside it
   * is another, or an entry of an export does not verify. Of an export also `policy`: it is not that of its digest.
   */
  readonly kind:
    "edited" | "missing" | "moved" | "truncated" | "rewritten" | "checkpoint" | "outcome" | "entry" | "policy";
}

/** What verification found; a log without `defect` is whole as far as the checkpoints reach. */
export interface AuditReport {
  readonly guard: Did;
  /** How many records there are, those in archives included. */
  readonly size: number;
  /** The first record that is here: those before it are in archives. */
  readonly from: number;
  /** How many of them, from the start, a valid checkpoint covers. */
  readonly signed: number;
  /** Admitted calls without an outcome. */
  readonly open: number;
  readonly defect?: AuditDefect;
}

/** What is known of the log beforehand. */
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
    const checked = [...notes, ...foreign.map((note) => ({ size: undefined, note }))];
    const defects: AuditDefect[] = [];
    const checkpoints = await readCheckpoints(checked, guard, defects);
    // One snapshot, since the guard may be writing.
    return onDisk(() =>
      database.transaction(() => {
        defects.push(...receiptDefects(database, guard));
        return walk(sourceOf(database, guard), checkpoints, defects);
      })(),
    );
  } finally {
    database.close();
  }
}

interface CheckpointRow {
  readonly size: number;
  readonly note: string;
}
/** A record as it is kept: its place, the place of its decision if it is an outcome, its text and its hash. */
export interface RecordRow {
  readonly seq: number;
  readonly of: number | null;
  readonly body: string;
  readonly hash: Buffer;
}

/** A log, or a part of one, wherever it is kept. */
export interface RecordSource {
  readonly guard: Did;
  /** What came before the first record. */
  readonly base: AuditBase | undefined;
  readonly rows: Iterable<RecordRow>;
  /** Where it ends by what it says of itself. */
  readonly head: number;
}

/**
 * Verifies records against each other and against signed checkpoints, whatever they were read from.
 * @param notes - checkpoints as they stand; `size` where it was kept beside them
 * @param defects - what is known to be wrong already
 */
export async function verifyRecords(
  source: RecordSource,
  notes: readonly { readonly size: number | undefined; readonly note: string }[],
  defects: AuditDefect[],
): Promise<AuditReport> {
  return walk(source, await readCheckpoints(notes, source.guard, defects), defects);
}

/** The checkpoints that verify, in order; the others are defects. */
async function readCheckpoints(
  notes: readonly { readonly size: number | undefined; readonly note: string }[],
  guard: Did,
  defects: AuditDefect[],
): Promise<readonly SignedCheckpoint[]> {
  const checkpoints: SignedCheckpoint[] = [];
  for (const { size, note } of notes) {
    const checkpoint = await readCheckpoint(note, guard);
    if (checkpoint && (size === undefined || size === checkpoint.size)) checkpoints.push(checkpoint);
    else defects.push({ seq: size ?? 0, kind: "checkpoint" });
  }
  return checkpoints.sort((a, b) => a.size - b.size);
}

function walk(source: RecordSource, checkpoints: readonly SignedCheckpoint[], defects: AuditDefect[]): AuditReport {
  const { base, guard } = source;
  const from = base?.size ?? 0;
  const range = base ? CompactRange.restore(base.size, base.edge) : CompactRange.empty();
  const open = new Map<number, string>();
  let previous: RecordRow | undefined;
  let previousHash: Uint8Array | undefined = base && fromHex(base.prev);
  let size = from;
  let signed = 0;
  let pending = 0;
  const atCheckpoints = (): void => {
    // Those of what is archived are checked with the archive.
    while ((checkpoints[pending]?.size ?? Infinity) < range.size) pending++;
    for (; checkpoints[pending]?.size === range.size; pending++) {
      if (equalBytes(checkpoints[pending]?.root ?? new Uint8Array(), range.root())) signed = range.size;
      else defects.push({ seq: signed, kind: "rewritten" });
    }
  };
  atCheckpoints();
  // Only the guard's signature says that what is archived was what came before.
  if (from > 0 && signed !== from) defects.push({ seq: from, kind: "checkpoint" });
  let isBroken = false;
  for (const row of source.rows) {
    size++;
    if (isBroken) continue;
    const hash = recordHash(row.body);
    const defect = chainDefect(row, hash, range.size, previousHash) ?? pairDefect(row, open);
    if (defect) {
      defects.push(defect === "link" ? { seq: previous?.seq ?? row.seq, kind: "edited" } : defect);
      isBroken = true;
      continue;
    }
    range.append(hash);
    [previous, previousHash] = [row, hash];
    atCheckpoints();
  }
  const expected = Math.max(source.head, checkpoints.at(-1)?.size ?? 0);
  const beside = new Set<AuditDefect["kind"]>(["checkpoint", "entry", "policy"]);
  if (defects.every(({ kind }) => beside.has(kind)) && range.size < expected) {
    defects.push({ seq: range.size, kind: "truncated" });
  }
  // Of two in one place, what the record says of itself comes before what stands beside it.
  const isEntry = ({ kind }: AuditDefect): number => Number(kind === "entry");
  const [first] = defects.sort((a, b) => a.seq - b.seq || isEntry(a) - isEntry(b));
  return { guard, from, size, signed, open: open.size, ...(first ? { defect: first } : {}) };
}

function sourceOf(database: GuardDatabase, guard: Did): RecordSource {
  const base = readBase(database);
  const rows = database.prepare<[], RecordRow>("SELECT seq, of, body, hash FROM record ORDER BY seq").iterate();
  const head = database.prepare<[], { size: number }>("SELECT size FROM head").get()?.size ?? 0;
  return { guard, base, rows, head };
}

/** The first kept receipt that is not that of its record. */
function receiptDefects(database: GuardDatabase, guard: Did): readonly AuditDefect[] {
  const body = database.prepare<[number], { body: string }>("SELECT body FROM record WHERE seq = ?");
  for (const { seq, token } of keptReceipts(database)) {
    if (!isReceiptOf(readRecord(body.get(seq)?.body ?? ""), token, guard)) return [{ seq, kind: "entry" }];
  }
  return [];
}

/** The records of an export as rows of a log; the first line stands at `from`. */
export function recordRows(bodies: readonly string[], from: number): readonly RecordRow[] {
  const records = bodies.map(readRecord);
  const places = new Set(records.map((record) => record?.seq));
  const ids = new Map<string, number>();
  return bodies.map((body, i): RecordRow => {
    const [record, place] = [records[i], from + i];
    if (record?.kind === "decision") ids.set(record.id, place);
    // An outcome whose decision is archived refers to a place before this file.
    const of = record?.kind === "outcome" ? (ids.get(record.id) ?? -1) : null;
    const seq = places.has(place) ? place : (record?.seq ?? place);
    return { seq, of, body, hash: Buffer.from(recordHash(body)) };
  });
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
