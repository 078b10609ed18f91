import {
  type Did,
  fromHex,
  isJsonObject,
  type JsonValue,
  leafHash,
  member,
  nodeHash,
  parseDid,
  parseJson,
  PeerageError,
  toHex,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
} from "@peerage/core";
import { auditKey, auditOrigin } from "./checkpointer.ts";
import { type AuditBase, onDisk, openGuardDatabase } from "./database.ts";
import { AuditReader } from "./reader.ts";
import type { AuditRecord } from "./record.ts";
import { type Opening, openingDigest } from "./sealed.ts";

/** One recorded call, proven on its own, with as much of its arguments as was chosen. */
export interface Disclosure {
  readonly guard: Did;
  /** The decision, and how the call ended if that was signed by then. */
  readonly records: readonly AuditRecord[];
  /** The arguments that were opened, by name; the others stay sealed. */
  readonly opened: Readonly<Record<string, JsonValue>>;
  /** How many records the guard had signed. */
  readonly size: number;
}

interface ProvenRecord {
  readonly text: string;
  readonly proof: readonly string[];
}

/**
 * Makes the disclosure of one call: its records with the proof that the guard signed them, and what opens the arguments
 * that are named. Nothing else of the log goes with it.
 * @throws {PeerageError} ERR_NOT_FOUND if it is not in the log, not signed yet, or an argument is not sealed or was erased
 */
export function disclose(reader: AuditReader, seq: number, names: readonly string[] = []): string {
  const call = reader.call(seq);
  const note = reader.checkpoints().at(-1);
  const size = Number(note?.split("\n")[1] ?? 0);
  if (!call || !note) throw notThere("there is no such call, or nothing is signed yet");
  const texts = new Map([...reader.texts()].map(({ seq: place, body }) => [place, body]));
  const places = [seq, ...(call.outcome ? [call.outcome.seq] : [])];
  const records = places
    .filter((place) => place >= 0 && place < size)
    .map((place): ProvenRecord => {
      const text = texts.get(place) ?? "";
      const leaf = (at: number): Uint8Array => leafHash(utf8(texts.get(at) ?? ""));
      return { text, proof: inclusionPath(place, size, reader.base, leaf).map(toHex) };
    });
  if (records.length === 0) throw notThere("the guard has not signed this record yet");
  const openings = reader.openings(call.decision.id);
  const opened = names.map((name): Opening => {
    const opening = openings.find((one) => one.name === name);
    if (!opening) throw notThere(`the argument ${JSON.stringify(name)} cannot be opened`);
    return opening;
  });
  return `${JSON.stringify({ kind: "disclosure", v: 1, guard: reader.guard ?? "", checkpoint: note, records, opened })}\n`;
}

/**
 * Verifies a disclosure from its text alone.
 * @param options.guard - whose record it must be; without it the text says itself whose it is
 * @throws {PeerageError} ERR_INCLUSION_INVALID if a record is not under the guard's signature or an opening opens nothing of
 *   it; and what a checkpoint throws whose signature does not hold
 */
export async function verifyDisclosure(
  text: string,
  options: { readonly guard?: Did | undefined } = {},
): Promise<Disclosure> {
  const value = parseJson(text);
  const { guard: named, checkpoint: note, records, opened } = isJsonObject(value) ? value : {};
  if (member(value, "kind") !== "disclosure" || member(value, "v") !== 1 || typeof note !== "string")
    throw refused("form");
  const guard = options.guard ?? parseDid(named);
  const { size, root } = await verifyCheckpoint(note, { origin: auditOrigin(guard), logKey: auditKey(guard) });
  const proven = (Array.isArray(records) ? records : []).map((one: JsonValue): AuditRecord => {
    const [body, proof] = [member(one, "text"), member(one, "proof")];
    if (typeof body !== "string" || !Array.isArray(proof)) throw refused("form");
    const record = readRecord(body);
    const hashes = proof.map((hash: JsonValue) => readHash(hash));
    verifyInclusion({ index: record.seq, size, root, leafHash: leafHash(utf8(body)), proof: hashes });
    return record;
  });
  const [decision, outcome] = proven;
  if (decision?.kind !== "decision" || (outcome && (outcome.kind !== "outcome" || outcome.id !== decision.id))) {
    throw refused("records");
  }
  const sealed = decision.input?.sealed ?? {};
  const found = new Map<string, JsonValue>();
  for (const one of (Array.isArray(opened) ? opened : []) as readonly JsonValue[]) {
    const [name, salt, inner] = [member(one, "name"), member(one, "salt"), member(one, "value")];
    if (typeof name !== "string" || typeof salt !== "string" || inner === undefined) throw refused("form");
    if (!Object.hasOwn(sealed, name) || sealed[name] !== openingDigest({ salt, value: inner }))
      throw refused("opening");
    found.set(name, inner);
  }
  return { guard, records: proven, opened: Object.fromEntries(found), size };
}

/**
 * Erases what opens the arguments of a call. The records stay as they are and verify as before; what stood in the
 * arguments cannot be learned from them any more.
 * @returns how many arguments were erased
 * @throws {PeerageError} ERR_NOT_FOUND, ERR_AUDIT_UNAVAILABLE
 */
export function eraseOpenings(path: string, decision: string): number {
  // Only reading fails if nothing is there.
  new AuditReader(path)[Symbol.dispose]();
  const database = openGuardDatabase(path);
  try {
    return onDisk(() => {
      const { changes } = database.prepare("DELETE FROM opening WHERE decision = ?").run(decision);
      database.pragma("wal_checkpoint(TRUNCATE)");
      return changes;
    });
  } finally {
    database.close();
  }
}

/** The RFC 6962 inclusion path of a leaf, where the leaves before `base` are known by their full subtrees only. */
function inclusionPath(
  index: number,
  size: number,
  base: AuditBase | undefined,
  leaf: (index: number) => Uint8Array,
): readonly Uint8Array[] {
  const known = new Map<string, Uint8Array>();
  let start = 0;
  for (const hash of base?.edge ?? []) {
    const width = 2 ** Math.floor(Math.log2((base?.size ?? 0) - start));
    known.set(`${start} ${start + width}`, hash);
    start += width;
  }
  const split = (from: number, to: number): number => from + 2 ** Math.ceil(Math.log2(to - from) - 1);
  const rootOf = (from: number, to: number): Uint8Array => {
    const there = known.get(`${from} ${to}`);
    if (there) return there;
    if (to - from === 1) return leaf(from);
    const middle = split(from, to);
    return nodeHash(rootOf(from, middle), rootOf(middle, to));
  };
  const path = (from: number, to: number): Uint8Array[] => {
    if (to - from <= 1) return [];
    const middle = split(from, to);
    return index < middle ? [...path(from, middle), rootOf(middle, to)] : [...path(middle, to), rootOf(from, middle)];
  };
  return path(0, size);
}

function notThere(why: string): PeerageError {
  return new PeerageError("ERR_NOT_FOUND", why, { detail: "disclosure" });
}

/** A record that some guard wrote: its place is a number, and the rest is believed once it is proven to be there. */
function readRecord(body: string): AuditRecord {
  try {
    const record = JSON.parse(body) as JsonValue;
    if (Number.isSafeInteger(member(record, "seq"))) return record as unknown as AuditRecord;
  } catch {
    // No JSON: told below.
  }
  throw refused("form");
}

function readHash(hash: JsonValue): Uint8Array {
  if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) throw refused("form");
  return fromHex(hash);
}

function refused(detail: string): PeerageError {
  return new PeerageError("ERR_INCLUSION_INVALID", `the disclosure does not hold: ${detail}`, { detail });
}
