import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Did,
  type Digest,
  isPeerageError,
  parseCarriedEntry,
  leafHash,
  parseJson,
  toHex,
  utf8,
} from "@peerage/core";
import { type AuditRecord, AuditReader } from "@peerage/mcp-middleware";
import type { Context, Options } from "./context.ts";
import { CliError } from "./errors.ts";
import { findAuditFile } from "./files/guard-files.ts";
import { codeOf } from "./files/safe-file.ts";

/** A vouch names at most so many. */
const MAX_EVIDENCE = 16;
/** With fewer calls that were done nothing is proposed; … */
export const LEAST_CALLS = 5;
/** … nor where more than one in ten went wrong. */
const MOST_ADVERSE = 0.1;

/** What calls say of one agent. */
export interface Worked {
  readonly did: Did;
  /** As a server that this user called, or as a caller of this user's guard. */
  readonly as: "server" | "caller";
  readonly done: number;
  /** Of a server: calls that ended in an error; of a caller: calls that the policy refused. */
  readonly adverse: number;
  /** Unix seconds, of the first and of the last. */
  readonly first: number;
  readonly last: number;
  /** The newest: digests of receipts, or of records of the guard's audit log that say that a call was done. */
  readonly evidence: readonly Digest[];
}

interface Tally {
  as: Worked["as"];
  done: number;
  adverse: number;
  first: number;
  last: number;
  evidence: Digest[];
}

/**
 * What the receipts that this identity was given and the guard's audit log say of others, most calls first.
 * @throws {CliError} ERR_NOT_FOUND if an audit log that was named is not there
 */
export async function workedWith(context: Context, me: Did, options: Options): Promise<Worked[]> {
  const servers = new Map<Did, Tally>();
  const callers = new Map<Did, Tally>();
  await readReceipts(context, me, servers);
  await readAudit(context, options, callers);
  return [...servers, ...callers]
    .filter(([did]) => did !== me)
    .map(([did, tally]) => ({ did, ...tally, evidence: [...new Set(tally.evidence)].sort() }))
    .sort((a, b) => b.done - a.done || b.last - a.last);
}

/** True if the calls are many, and hardly any of them went wrong. */
export function hasEarned({ done, adverse }: Worked): boolean {
  return done >= LEAST_CALLS && adverse <= (done + adverse) * MOST_ADVERSE;
}

/** Receipts are verified anew: they are what the vouch will rest on. */
async function readReceipts(context: Context, me: Did, into: Map<Did, Tally>): Promise<void> {
  let text: string;
  try {
    text = await readFile(join(context.paths.data, "receipts.ndjson"), "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  let unread = 0;
  const seen = new Set<Digest>();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    try {
      const { token } = parseJson(line) as { token?: unknown };
      const receipt = parseCarriedEntry(String(token));
      if (receipt.audience !== me || seen.has(receipt.digest)) continue;
      seen.add(receipt.digest);
      const { issuer, issuedAt, digest, result } = receipt;
      if (result === "executed") add(into, issuer, "server", issuedAt, digest);
      else if (result === "errored") add(into, issuer, "server", issuedAt);
    } catch (error) {
      if (!isPeerageError(error)) throw error;
      unread++;
    }
  }
  if (unread > 0) context.warn(`${unread} lines of the receipts do not verify, and count for nothing`);
}

async function readAudit(context: Context, options: Options, into: Map<Did, Tally>): Promise<void> {
  let path: string;
  try {
    path = await findAuditFile(context, options);
  } catch (error) {
    if (error instanceof CliError && error.code === "ERR_NOT_FOUND" && options["audit"] === undefined) return;
    throw error;
  }
  using reader = new AuditReader(path);
  const running = new Map<string, Did>();
  for (const { body } of reader.texts()) {
    const record = JSON.parse(body) as AuditRecord;
    if (record.kind === "decision") {
      const did = record.caller?.did;
      if (did === undefined || record.method !== "tools/call" || record.mode === "shadow") continue;
      if (record.verdict === "admitted") running.set(record.id, did);
      else if (record.verdict === "refused" && isOfPolicy(record.reason)) add(into, did, "caller", seconds(record.at));
    } else if (record.kind === "outcome") {
      const did = running.get(record.id);
      running.delete(record.id);
      if (did !== undefined && record.outcome === "executed")
        add(into, did, "caller", seconds(record.at), `sha256:${toHex(leafHash(utf8(body)))}`);
    }
  }
}

/** A call that was refused for want of trust, or because it was late, is no misdeed. */
function isOfPolicy(reason: string | undefined): boolean {
  return reason === "ERR_POLICY_DENIED" || reason === "ERR_APPROVAL_DENIED";
}

/** Counts one call; with a digest it was done. */
function add(into: Map<Did, Tally>, did: Did, as: Worked["as"], at: number, digest?: Digest): void {
  let tally = into.get(did);
  if (!tally) into.set(did, (tally = { as, done: 0, adverse: 0, first: at, last: at, evidence: [] }));
  tally.first = Math.min(tally.first, at);
  tally.last = Math.max(tally.last, at);
  if (digest === undefined) {
    tally.adverse++;
    return;
  }
  tally.done++;
  tally.evidence.push(digest);
  if (tally.evidence.length > MAX_EVIDENCE) tally.evidence.shift();
}

function seconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000);
}
