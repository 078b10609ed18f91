import {
  CompactRange,
  type Digest,
  digest,
  type Entry,
  fromHex,
  isDigest,
  type JsonObject,
  type JsonValue,
  parseCarriedEntry,
  parseDid,
  PeerageError,
  type PolicyDocument,
  toHex,
  tokenDigest,
} from "@peerage/core";
import type { AuditReader } from "./reader.ts";
import type { AuditRecord } from "./record.ts";
import { type AuditDefect, type AuditReport, recordRows, type VerifyAuditOptions, verifyRecords } from "./verify.ts";

/**
 * The lines of an export, without line ends: a header, then each record exactly as it was hashed, then the signed
 * checkpoints, the signed entries that records name and are still kept, the receipts, and the policies that ruled. Whoever
 * has the file can verify it with {@link verifyExport} and needs to trust nobody.
 * @param options.to - records before this place only; a signed checkpoint should be of that size
 */
export function* exportLines(reader: AuditReader, options: { readonly to?: number } = {}): Generator<string> {
  const { base, guard } = reader;
  const from = base?.size ?? 0;
  const header = { kind: "export", v: 1, guard: guard ?? "", from };
  yield JSON.stringify(base ? { ...header, prev: base.prev, edge: base.edge.map(toHex) } : header);
  const entries = new Set<Digest>();
  const policies = new Set<Digest>();
  for (const { seq, body } of reader.texts()) {
    if (options.to !== undefined && seq >= options.to) break;
    yield body;
    const record = JSON.parse(body) as AuditRecord;
    for (const one of namedEntries(record)) entries.add(one);
    if (record.kind === "decision" || (record.kind === "start" && record.policy)) policies.add(record.policy as Digest);
  }
  for (const note of reader.checkpoints(options.to)) yield JSON.stringify({ kind: "checkpoint", note });
  const given = new Set<Digest>();
  for (const name of entries) {
    for (const token of withAncestors(reader, name, given)) yield JSON.stringify({ kind: "entry", token });
  }
  for (const { token } of reader.receipts(options.to)) {
    // One that was presented since may stand among the entries, for as long as those are kept.
    if (!given.has(tokenDigest(token))) yield JSON.stringify({ kind: "entry", token });
  }
  for (const name of policies) {
    const document = reader.policy(name);
    if (document) yield JSON.stringify({ kind: "policy", digest: name, document });
  }
}

/** What an export says, once it verified; entries and policies by their digests. */
export interface AuditExport extends AuditReport {
  readonly records: readonly AuditRecord[];
  readonly entries: ReadonlyMap<Digest, Entry>;
  readonly policies: ReadonlyMap<Digest, PolicyDocument>;
}

/**
 * Verifies an export from its text alone: the hash chain, the places, the checkpoints' signatures, the signature of each
 * entry by the key that it names, and that each policy is the one of its digest. Whether an entry's key stood behind its
 * signer is for the log to say.
 * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE if it is no export; ERR_DID_INVALID
 */
export async function verifyExport(text: string, options: VerifyAuditOptions = {}): Promise<AuditExport> {
  const lines = text.split("\n").filter((line) => line !== "");
  const header = readHeader(lines[0]);
  const guard = options.guard ?? parseDid(header.guard);
  const found = sortLines(lines.slice(1));
  const defects: AuditDefect[] = [];
  const entries = new Map<Digest, Entry>();
  for (const token of found.entries) {
    const entry = readEntry(token);
    if (entry) entries.set(entry.digest, entry);
    else defects.push({ seq: header.from, kind: "entry" });
  }
  const policies = new Map<Digest, PolicyDocument>();
  for (const [name, document] of found.policies) {
    if (isPolicyOf(name, document)) policies.set(name, document as unknown as PolicyDocument);
    else defects.push({ seq: header.from, kind: "policy" });
  }
  const bodies = found.records;
  const rows = recordRows(bodies, header.from);
  const notes = [...found.checkpoints, ...(options.checkpoints ?? [])].map((note) => ({ size: undefined, note }));
  const base = header.from > 0 ? { size: header.from, prev: header.prev, edge: header.edge } : undefined;
  const source = { guard, base, rows, head: 0 };
  const report = await verifyRecords(source, notes, defects);
  const records = report.defect ? [] : bodies.map((body) => JSON.parse(body) as AuditRecord);
  return { ...report, records, entries, policies };
}

/** All entries that a record rests on or speaks of. */
function namedEntries(record: AuditRecord): readonly Digest[] {
  if (record.kind === "approval") return [record.entry];
  if (record.kind !== "decision") return [];
  const { evidence = [], spent = [], input } = record;
  return [...evidence, ...spent, ...(input?.history ?? []), ...(input?.held ?? [])];
}

/** The tokens of an entry and of what it refers to, each after that, as far as they are kept and were not given yet. */
function* withAncestors(reader: AuditReader, name: Digest, given: Set<Digest>): Generator<string> {
  const token = given.has(name) ? undefined : reader.entry(name);
  if (token === undefined) return;
  given.add(name);
  for (const prev of parseCarriedEntry(token).prev) yield* withAncestors(reader, prev, given);
  yield token;
}

interface Header {
  readonly guard: string;
  readonly from: number;
  readonly prev: string;
  readonly edge: readonly Uint8Array[];
}

function readHeader(line: string | undefined): Header {
  const value = readJson(line ?? "");
  const { kind, v, guard, from = 0, prev = "", edge = [] } = value ?? {};
  if (
    kind !== "export" ||
    v !== 1 ||
    typeof guard !== "string" ||
    typeof from !== "number" ||
    typeof prev !== "string"
  ) {
    throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "this is no export of an audit log", { detail: "export" });
  }
  try {
    const hashes = Array.isArray(edge) ? edge.map((hash: JsonValue) => fromHex(textOf(hash))) : [];
    CompactRange.restore(from, hashes);
    return { guard, from, prev, edge: hashes };
  } catch (cause) {
    throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "the head of this export cannot be read", {
      detail: "export",
      cause,
    });
  }
}

function sortLines(lines: readonly string[]): {
  readonly records: readonly string[];
  readonly checkpoints: readonly string[];
  readonly entries: readonly string[];
  readonly policies: readonly (readonly [string, JsonValue])[];
} {
  const records: string[] = [];
  const checkpoints: string[] = [];
  const entries: string[] = [];
  const policies: (readonly [string, JsonValue])[] = [];
  for (const line of lines) {
    const value = readJson(line);
    if (value?.["kind"] === "checkpoint" && value["seq"] === undefined) checkpoints.push(textOf(value["note"]));
    else if (value?.["kind"] === "entry" && value["seq"] === undefined) entries.push(textOf(value["token"]));
    else if (value?.["kind"] === "policy" && value["seq"] === undefined) {
      policies.push([textOf(value["digest"]), value["document"] ?? null]);
    } else records.push(line);
  }
  return { records, checkpoints, entries, policies };
}

function readJson(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function isPolicyOf(name: string, document: JsonValue): name is Digest {
  try {
    return isDigest(name) && digest(document) === name;
  } catch {
    return false; // half a character, or nesting without an end: it has no one form, and so no digest
  }
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function readEntry(token: string): Entry | undefined {
  try {
    return parseCarriedEntry(token);
  } catch {
    return undefined;
  }
}
