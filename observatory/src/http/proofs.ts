import {
  formatVerifierKey,
  fromUtf8,
  leafHash,
  type LogLeaf,
  PeerageError,
  ProofBuilder,
  type Statement,
  toHex,
  type View,
} from "@peerage/core";
import { statementOf } from "../entries.ts";
import type { Grown, ProofBundle, ProvenEntry } from "../proof-bundle.ts";
import type { ObservatorySource } from "../source.ts";

/** Most entries that one bundle is asked for, and most that it holds with the key events and revocations they need. */
const MOST_ASKED = 64;
const MOST_ENTRIES = 512;

const builders = new WeakMap<ObservatorySource, ProofBuilder>();

/** Builds proofs from the source's tiles; what it reads is kept. */
export function proofsOf(source: ObservatorySource): ProofBuilder {
  let builder = builders.get(source);
  if (!builder) {
    builder = new ProofBuilder(source.tile);
    builders.set(source, builder);
  }
  return builder;
}

/**
 * Puts together what a browser checks by itself: `entries=12,45` names them, `seen` the size of the head it saw last.
 * @throws {PeerageError} ERR_REQUEST_INVALID, ERR_NOT_FOUND
 */
export async function proofBundle(source: ObservatorySource, query: URLSearchParams): Promise<ProofBundle> {
  const view = await source.view();
  const { size, root, origin } = view;
  const asked = numbers(query.get("entries"));
  const seen = query.get("seen");
  const since = seen === null ? undefined : (numbers(seen)[0] ?? 0);
  if (asked.length > MOST_ASKED) throw invalid(`at most ${MOST_ASKED} entries are proven at a time`);
  const making = new Bundle(source, view);
  for (const index of asked) await making.add(index);
  return {
    origin,
    logKey: formatVerifierKey(source.logKey),
    ...(source.witnessKey === undefined ? {} : { witnessKey: formatVerifierKey(source.witnessKey) }),
    ...witnessesOf(source),
    checkpoint: view.note,
    size,
    root: toHex(root),
    ...(since === undefined || since > size ? {} : { since: await grown(source, since, size) }),
    ...making.done(),
  };
}

function witnessesOf({ quorum }: ObservatorySource): Pick<ProofBundle, "witnesses"> {
  if (!quorum) return {};
  const { witnesses, threshold, group } = quorum;
  return { witnesses: { keys: witnesses.map(formatVerifierKey), ...(group ? {} : { threshold }) } };
}

/** Collects entries and, with each, what its checks need. */
class Bundle {
  readonly #source: ObservatorySource;
  readonly #view: View;
  readonly #entries = new Map<number, ProvenEntry>();
  readonly #heads: { note: string; size: number; proof: readonly string[] }[] = [];

  constructor(source: ObservatorySource, view: View) {
    this.#source = source;
    this.#view = view;
  }

  done(): Pick<ProofBundle, "entries" | "heads"> {
    return { heads: this.#heads, entries: [...this.#entries.values()].sort((a, b) => a.index - b.index) };
  }

  async add(index: number): Promise<void> {
    if (this.#entries.has(index)) return;
    if (index >= this.#view.size) throw new PeerageError("ERR_NOT_FOUND", `the log has no entry ${index}`);
    for await (const leaf of this.#source.leaves(index, index + 1)) {
      const statement = await statementOf(leaf);
      if (typeof statement === "string") {
        throw new PeerageError("ERR_NOT_FOUND", `entry ${index} is no statement: ${statement}`);
      }
      await this.#prove(leaf, statement);
    }
  }

  async #prove({ index, leaf }: LogLeaf, { id, issuer }: Statement): Promise<void> {
    if (this.#entries.size >= MOST_ENTRIES)
      throw invalid("the key histories of these agents are too long for one answer");
    const view = this.#view;
    const keys = view.keyStatements(issuer).map((said) => said.index);
    const revokedBy = view.vouch(id)?.revokedBy?.index;
    const head = await this.#headOver(index);
    this.#entries.set(index, {
      index,
      id,
      leaf: fromUtf8(leaf),
      leafHash: toHex(leafHash(leaf)),
      inclusion: (await proofsOf(this.#source).inclusion(index, view.size)).map(toHex),
      ...(head === undefined ? {} : { head }),
      keys,
      ...(revokedBy === undefined ? {} : { revokedBy }),
    });
    for (const other of keys) await this.add(other);
    if (revokedBy !== undefined) await this.add(revokedBy);
  }

  /** The first checkpoint that covers an entry, as a number in the list. */
  async #headOver(index: number): Promise<number | undefined> {
    const { checkpoints } = this.#source;
    if (!checkpoints) return undefined;
    for await (const { note, size } of checkpoints(index, this.#view.size)) {
      const at = this.#heads.findIndex((head) => head.size === size);
      if (at >= 0) return at;
      return this.#heads.push({ note, ...(await grown(this.#source, size, this.#view.size)) }) - 1;
    }
    return undefined;
  }
}

async function grown(source: ObservatorySource, from: number, to: number): Promise<Grown> {
  return { size: from, proof: (await proofsOf(source).consistency(from, to)).map(toHex) };
}

/** Indexes in a query, each once. */
function numbers(text: string | null): number[] {
  const parts = text === null || text === "" ? [] : text.split(",");
  if (!parts.every((part) => /^\d{1,15}$/.test(part))) throw invalid("entries are numbers with commas between them");
  return [...new Set(parts.map(Number))];
}

function invalid(message: string): PeerageError {
  return new PeerageError("ERR_REQUEST_INVALID", message);
}
