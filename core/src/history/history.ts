import { isPeerageError, PeerageError } from "../errors.ts";
import { type Digest, tokenDigest } from "../json/digest.ts";
import { type KeyOptions, MAX_JWS_BYTES } from "../jws/compact.ts";
import { SKEW_SECONDS } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";
import { type Entry, isKnownEntry, parseEntry } from "./entry.ts";

/** A history has at most this many entries … */
export const MAX_HISTORY_ENTRIES = 256;
/** … and at most this many bytes, together. */
export const MAX_HISTORY_BYTES = 262_144;

/** Entries of one run, each after what it refers to, verified whole. */
export interface History {
  readonly run: string;
  readonly entries: readonly Verified<Entry>[];
  /** Digests of the entries to which no other refers, in the order presented. */
  readonly tips: readonly Digest[];
}

/** What a history is verified against, and what each of its signing keys is asked by. */
export interface VerifyHistoryContext extends KeyOptions {
  readonly now: Date;
  /**
   * Told how many signatures are about to be checked, those known from the cache not counted; it throws to refuse. See
   * {@link CheckBudget}.
   */
  readonly beforeChecks?: (count: number) => void;
  /**
   * True if the signing key stood behind the issuer when the entry says it was signed, as far as this guard knows: not
   * revoked, superseded or disputed by then, nor so soon after that a thief may have dated the entry back.
   */
  readonly keyStood?: (entry: Verified<Entry>) => boolean;
}

function invalid(detail: string, message: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_HISTORY_INVALID", message, { detail, cause });
}

/**
 * Verifies a presented history whole, cheapest check first: sizes, order, one run, one root, every `prev` present, tips
 * equal to the proof's `head`, times, signatures, keys. It is never trimmed to its good part.
 * @param tokens - `params._meta["dev.peerage/history"]`: compact JWS, each after what it refers to
 * @param head - the claim `head` of the call proof
 * @returns undefined if neither a history nor a head is presented
 * @throws {PeerageError} ERR_HISTORY_INVALID, ERR_HISTORY_TOO_LONG, ERR_DID_INVALID, and what `beforeChecks` throws
 */
export function verifyHistory(
  tokens: unknown,
  head: readonly Digest[] | undefined,
  context: VerifyHistoryContext,
): Verified<History> | undefined {
  if (tokens === undefined && head === undefined) return undefined;
  const presented = readTokens(tokens ?? []);
  checkSizes(presented);
  const entries: Verified<Entry>[] = [];
  const byDigest = new Map<Digest, Entry>();
  const later = new Set(presented.map(tokenDigest));
  if (later.size !== presented.length) throw invalid("duplicate", "an entry is presented twice");
  if (context.beforeChecks) context.beforeChecks([...later].filter((digest) => !isKnownEntry(digest)).length);
  const now = context.now.getTime() / 1000;
  for (const token of presented) {
    const entry = readEntry(token, context);
    checkPlace(entry, byDigest, later, entries[0]);
    checkTime(entry, byDigest, now);
    if (context.keyStood?.(entry) === false) throw invalid("key", "an entry's key did not stand behind its issuer");
    entries.push(entry);
    byDigest.set(entry.digest, entry);
  }
  const tips = openTips(entries);
  if (!sameSet(tips, head ?? [])) throw invalid("head", "the tips of the history are not the proof's head");
  const [root] = entries;
  if (!root) throw invalid("head", "a history has at least one entry");
  return markVerified({ run: root.run, entries, tips });
}

function readTokens(tokens: unknown): readonly string[] {
  if (!Array.isArray(tokens) || !tokens.every((token) => typeof token === "string")) {
    throw invalid("serialisation", "a history is a list of compact JWS");
  }
  return tokens;
}

function checkSizes(tokens: readonly string[]): void {
  const bytes = tokens.reduce((sum, token) => sum + token.length, 0);
  if (tokens.length > MAX_HISTORY_ENTRIES || bytes > MAX_HISTORY_BYTES) {
    throw new PeerageError(
      "ERR_HISTORY_TOO_LONG",
      `a history has at most ${MAX_HISTORY_ENTRIES} entries and ${MAX_HISTORY_BYTES / 1024} KiB`,
    );
  }
  if (tokens.some((token) => token.length > MAX_JWS_BYTES)) throw invalid("size", "an entry is longer than 16 KiB");
}

function readEntry(token: string, options: KeyOptions): Verified<Entry> {
  try {
    return parseEntry(token, options);
  } catch (cause) {
    if (!isPeerageError(cause) || cause.code === "ERR_DID_INVALID") throw cause;
    throw invalid(cause.detail ?? "entry", `an entry does not verify: ${cause.message}`, cause);
  }
}

function checkPlace(entry: Entry, before: Map<Digest, Entry>, all: ReadonlySet<Digest>, root: Entry | undefined): void {
  if (root && entry.prev.length === 0) throw invalid("roots", "a history has exactly one entry without prev");
  for (const prev of entry.prev) {
    if (before.has(prev)) continue;
    if (all.has(prev)) throw invalid("order", "an entry stands before one that it refers to");
    throw invalid("prev-missing", "an entry refers to one that is not presented");
  }
  if (root && entry.run !== root.run) throw invalid("run", "an entry belongs to another run");
}

function checkTime(entry: Entry, before: Map<Digest, Entry>, now: number): void {
  if (entry.issuedAt > now + SKEW_SECONDS) throw invalid("time", "an entry is from the future");
  for (const prev of entry.prev) {
    if (entry.issuedAt < (before.get(prev)?.issuedAt ?? 0) - SKEW_SECONDS) {
      throw invalid("time", "an entry is older than one that it refers to");
    }
  }
}

function openTips(entries: readonly Entry[]): Digest[] {
  const referredTo = new Set(entries.flatMap((entry) => entry.prev));
  return entries.map((entry) => entry.digest).filter((digest) => !referredTo.has(digest));
}

function sameSet(a: readonly Digest[], b: readonly Digest[]): boolean {
  const set = new Set(b);
  return a.length === b.length && set.size === b.length && a.every((digest) => set.has(digest));
}
