import {
  type Digest,
  type Entry,
  MAX_HISTORY_ENTRIES,
  member,
  parseCarriedEntry,
  PeerageError,
  type SpiffeId,
  unixSeconds,
  type Verified,
} from "@peerage/core";
import type { GuardDatabase } from "../audit/database.ts";

/** How long entries are kept: longer than any approval lives, and than most policies are tried on recorded calls. */
const KEEP_SECONDS = 30 * 86_400;

/** Why an entry is kept: an approval or denial, something else that speaks against, or a link to one of them. */
export type EntryKind = "approval" | "adverse" | "link";

/** What a call asks for of what the guard holds. */
export interface HeldFor {
  readonly caller: string;
  readonly req: string;
  readonly run: string | undefined;
}

/** Signed entries that this guard keeps: its own memory beside what a caller presents, which may leave things out. */
export class EvidenceStore {
  readonly #keep;
  readonly #about;
  readonly #token;
  readonly #seen;
  readonly #isSpent;
  readonly #spend;
  readonly #giveBack;
  readonly #drop;
  readonly #dropSigners;
  readonly #signer;
  readonly #keepSigner;
  /** Digests known to be in the file, by kind, so that a run that grows by one entry costs one write. */
  readonly #known = { link: new Set<Digest>(), adverse: new Set<Digest>(), approval: new Set<Digest>() };

  constructor(database: GuardDatabase) {
    this.#keep = database.prepare<
      [string, string, EntryKind, string, string | null, string | null, string | null, number]
    >(
      `INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET kind = excluded.kind, caller = excluded.caller, item = excluded.item
       WHERE kind = 'link' AND excluded.kind <> 'link'`,
    );
    this.#about = database.prepare<[string, string, string], { token: string }>(
      // Answers to items first: what else was seen must not crowd them out.
      `SELECT token, item IS NULL AS other, seen FROM entry WHERE kind <> 'link' AND req = ? AND (caller IS NULL OR caller = ?)
       UNION SELECT token, item IS NULL, seen FROM entry WHERE kind = 'adverse' AND run = ?
       ORDER BY other, seen DESC LIMIT ${MAX_HISTORY_ENTRIES}`,
    );
    this.#token = database.prepare<[string], { token: string }>("SELECT token FROM entry WHERE digest = ?");
    this.#seen = database.prepare<[string], { seen: number }>("SELECT seen FROM entry WHERE digest = ?");
    this.#isSpent = database.prepare<[string]>("SELECT 1 FROM spent WHERE digest = ?");
    this.#spend = database.prepare<[string, string, number]>("INSERT OR IGNORE INTO spent VALUES (?, ?, ?)");
    this.#giveBack = database.prepare<[string, string]>("DELETE FROM spent WHERE digest = ? AND decision = ?");
    this.#drop = database.prepare<[number]>("DELETE FROM entry WHERE seen < ?");
    this.#dropSigners = database.prepare<[]>("DELETE FROM signer WHERE digest NOT IN (SELECT digest FROM entry)");
    this.#signer = database.prepare<[string], { spiffe: SpiffeId }>("SELECT spiffe FROM signer WHERE digest = ?");
    this.#keepSigner = database.prepare<[string, string]>("INSERT OR IGNORE INTO signer VALUES (?, ?)");
  }

  /** Keeps verified entries; of one that is known only the kind can change, from `link` to more. */
  keep(entries: Iterable<Entry>, kind: EntryKind, now: Date, about: { readonly item?: string } = {}): void {
    for (const entry of entries) {
      const { digest, token, run, req } = entry;
      const caller = member(entry.sub, "caller");
      const named = typeof caller === "string" ? caller : null;
      this.#keep.run(digest, token, kind, run, req ?? null, named, about.item ?? null, unixSeconds(now));
    }
  }

  /** Keeps which SPIFFE ID the signer of a kept entry was verified to have. */
  keepSigner(digest: Digest, spiffe: SpiffeId | undefined): void {
    if (spiffe !== undefined) this.#keepSigner.run(digest, spiffe);
  }

  /** The SPIFFE ID that the signer of an entry was verified to have when the entry was kept. */
  signer(digest: Digest): SpiffeId | undefined {
    return this.#signer.get(digest)?.spiffe;
  }

  /** Those of these entries that this process has not kept yet as such. */
  unknown<T extends Entry>(entries: readonly T[], kind: EntryKind): readonly T[] {
    return entries.filter(({ digest }) => !this.#known[kind].has(digest));
  }

  /** Tells, once the transaction is through, that these were kept. */
  remember(entries: readonly Entry[], kind: EntryKind): void {
    const known = this.#known[kind];
    if (known.size >= 65_536) known.clear();
    for (const { digest } of entries) known.add(digest);
  }

  /**
   * What speaks for or against a call: approvals and denials of this request of this caller, adverse entries of its run
   * or request, and the ancestors of them all, each after those it refers to.
   * @throws {PeerageError} ERR_STORE_CORRUPT if an entry does not verify any more
   */
  held({ caller, req, run }: HeldFor): readonly Verified<Entry>[] {
    const ordered = new Map<Digest, Verified<Entry>>();
    const visit = (token: string): void => {
      const entry = readEntry(token);
      if (ordered.has(entry.digest)) return;
      const missing = entry.prev.filter((digest) => !ordered.has(digest));
      // An entry cannot refer to a later one, so this ends; depth is bounded by the longest history.
      for (const digest of missing) {
        const before = this.#token.get(digest);
        if (before) visit(before.token);
      }
      ordered.set(entry.digest, entry);
    };
    for (const { token } of this.#about.all(req, caller, run ?? "")) visit(token);
    return [...ordered.values()];
  }

  /** One kept entry. */
  get(digest: Digest): Verified<Entry> | undefined {
    const row = this.#token.get(digest);
    return row && readEntry(row.token);
  }

  /** When an entry was first kept, and so had been verified, Unix seconds. */
  seenAt(digest: string): number | undefined {
    return this.#seen.get(digest)?.seen;
  }

  /** True if an entry was used up. */
  isSpent(digest: string): boolean {
    return this.#isSpent.get(digest) !== undefined;
  }

  /**
   * Uses entries up for a decision, within the caller's transaction.
   * @throws {PeerageError} ERR_APPROVAL_INVALID if another process was faster
   */
  spend(digests: readonly Digest[], decision: string, now: Date): void {
    for (const digest of digests) {
      if (this.#spend.run(digest, decision, unixSeconds(now)).changes > 0) continue;
      throw new PeerageError("ERR_APPROVAL_INVALID", "the approval was used by another call", { detail: "spent" });
    }
  }

  /** Makes approvals unusable for good: what a person has denied since, no earlier word of another brings back. */
  retire(digests: readonly Digest[], item: string, now: Date): void {
    for (const digest of digests) this.#spend.run(digest, `denied ${item}`, unixSeconds(now));
  }

  /** Makes entries usable again that a decision had used up. */
  giveBack(digests: readonly Digest[], decision: string): void {
    for (const digest of digests) this.#giveBack.run(digest, decision);
  }

  /** Drops what is older than any use of it. What was used up stays used up. */
  cleanUp(now: Date): void {
    if (this.#drop.run(unixSeconds(now) - KEEP_SECONDS).changes === 0) return;
    this.#dropSigners.run();
    for (const known of Object.values(this.#known)) known.clear();
  }
}

function readEntry(token: string): Verified<Entry> {
  try {
    return parseCarriedEntry(token);
  } catch (cause) {
    throw new PeerageError("ERR_STORE_CORRUPT", "a kept entry does not verify any more", { detail: "entry", cause });
  }
}
