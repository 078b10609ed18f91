import { concat, fromUtf8, utf8 } from "../encoding/bytes.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import { parseCheckpoint, type SignedCheckpoint, verifyCheckpoint } from "../tlog/checkpoint.ts";
import { type CheckpointPolicy, isSameKey } from "../tlog/checkpoint-policy.ts";
import { HASH_BYTES, leafHash } from "../tlog/merkle.ts";
import { MAX_NOTE_BYTES, parseNote } from "../tlog/note.ts";
import { ProofBuilder } from "../tlog/proof-builder.ts";
import { MAX_ENTRY_BYTES, TILE_WIDTH, tileRoot, tileWidth } from "../tlog/tiles.ts";
import { formatVerifierKey, LOG_TYPE, parseVerifierKey, type VerifierKey, WITNESS_TYPE } from "../tlog/verifier-key.ts";
import type { Verified } from "../verified.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";

const MAGIC = "peerage-trust-pack/v1";
/** A header line longer than this is none: a verifier key is far shorter. */
const MAX_LINE_BYTES = 1_024;

/**
 * Everything that a follower reads of one log, in one piece: its keys, all published checkpoints, all leaves. Nothing in it
 * is believed for being there; {@link PackReader} hands it to the same `Network` that follows a registry.
 */
export interface TrustPack {
  /** Type 0x01. */
  readonly logKey: VerifierKey;
  /** Type 0x04: the operator's own witness, which stamps the time. */
  readonly witnessKey: VerifierKey;
  /** The newest checkpoint, a signed note. */
  readonly head: string;
  /** Published checkpoints, signed notes, ascending by size. */
  readonly checkpoints: readonly string[];
  /** Exactly as many as the head counts. */
  readonly leaves: readonly Uint8Array[];
}

/** Writes a pack in its one form: five lines (magic, two keys, two counts), then each record behind its length. */
export function encodePack({ logKey, witnessKey, head, checkpoints, leaves }: TrustPack): Uint8Array {
  const lines = [MAGIC, formatVerifierKey(logKey), formatVerifierKey(witnessKey), checkpoints.length, leaves.length];
  const records = [utf8(head), ...checkpoints.map(utf8), ...leaves];
  const text = utf8(`${lines.join("\n")}\n`);
  const out = new Uint8Array(text.length + records.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(out.buffer);
  out.set(text);
  let at = text.length;
  for (const record of records) {
    view.setUint32(at, record.length);
    out.set(record, at + 4);
    at += 4 + record.length;
  }
  return out;
}

/**
 * Reads a pack; refuses every text that {@link encodePack} would not write. No signature is checked yet.
 * @throws {PeerageError} ERR_REGISTRY_RESPONSE with detail `pack`, ERR_CHECKPOINT_INVALID
 */
export function decodePack(bytes: Uint8Array): TrustPack {
  let at = 0;
  const line = (): string => {
    const end = bytes.subarray(at, at + MAX_LINE_BYTES).indexOf(10);
    if (end < 0) throw damaged("its head is cut off");
    const text = textOf(bytes.subarray(at, at + end));
    at += end + 1;
    return text;
  };
  const record = (max: number): Uint8Array => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, Math.min(4, bytes.length - at));
    if (view.byteLength < 4) throw damaged("it is cut off");
    const length = view.getUint32(0);
    if (length > max || length > bytes.length - at - 4) throw damaged("a record is too long, or cut off");
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  if (line() !== MAGIC) throw damaged("it does not begin as one");
  const keys = { logKey: keyOf(line(), LOG_TYPE), witnessKey: keyOf(line(), WITNESS_TYPE) };
  const [checkpoints, leaves] = [countOf(line(), bytes.length), countOf(line(), bytes.length)];
  const pack = {
    ...keys,
    head: textOf(record(MAX_NOTE_BYTES)),
    checkpoints: Array.from({ length: checkpoints }, () => textOf(record(MAX_NOTE_BYTES))),
    leaves: Array.from({ length: leaves }, () => record(MAX_ENTRY_BYTES)),
  };
  if (at !== bytes.length) throw damaged("something stands behind its end");
  return pack;
}

/**
 * Reads a pack as if it were the registry: the second source of a `Network`, which hashes its leaves into the signed roots
 * and verifies its statements. Who hands a pack on can leave out its end, and its age tells; and checkpoints between, so
 * that entries appear later than they were witnessed, as a registry itself could.
 */
export class PackReader implements RegistryReader {
  readonly #pack: TrustPack;
  readonly #policy: CheckpointPolicy;
  readonly #now: () => Date;
  readonly #proofs: ProofBuilder;
  readonly #fullTiles = new Map<string, Uint8Array>();

  private constructor(pack: TrustPack, policy: CheckpointPolicy, now: () => Date) {
    this.#pack = pack;
    this.#policy = policy;
    this.#now = now;
    this.#proofs = new ProofBuilder((level, n, width) => this.#hashes(level, n, width));
  }

  /**
   * @param options.policy the keys that are known beforehand; without it the pack speaks for its own keys, whoever holds them
   * @throws {PeerageError} ERR_CHECKPOINT_INVALID with detail `pin` if the pack is of another log;
   *   ERR_REGISTRY_RESPONSE with detail `pack`
   */
  static async open(
    pack: TrustPack,
    options: { readonly policy?: CheckpointPolicy; readonly now?: () => Date } = {},
  ): Promise<PackReader> {
    const { logKey, witnessKey: operatorWitness } = pack;
    const own = { origin: parseCheckpoint(parseNote(pack.head).text).origin, logKey, operatorWitness };
    const policy = options.policy ?? own;
    const witness = policy.operatorWitness;
    if (
      policy.origin !== own.origin ||
      !isSameKey(policy.logKey, logKey) ||
      (witness && !isSameKey(witness, operatorWitness))
    ) {
      throw new PeerageError("ERR_CHECKPOINT_INVALID", "the pack is of another log than the one whose keys are known", {
        detail: "pin",
      });
    }
    const reader = new PackReader(pack, policy, options.now ?? ((): Date => new Date()));
    const { size } = await reader.checkpoint();
    if (size !== pack.leaves.length) throw damaged(`it holds ${pack.leaves.length} of the ${size} leaves`);
    reader.#checkAscending(size);
    return reader;
  }

  get origin(): string {
    return this.#policy.origin;
  }

  get logKey(): VerifierKey {
    return this.#policy.logKey;
  }

  checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#verify(this.#pack.head);
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    for (const note of this.#pack.checkpoints) {
      const { size } = parseCheckpoint(parseNote(note).text);
      if (size <= after || size > upTo) continue;
      try {
        yield await this.#verify(note);
      } catch (error) {
        // Published before there was a quorum: a later checkpoint gives these entries their time.
        if (!isPeerageError(error, "ERR_CHECKPOINT_INVALID") || error.detail !== "quorum") throw error;
      }
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    for (const [i, leaf] of this.#pack.leaves.slice(from, to).entries()) yield { index: from + i, leaf };
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    this.#need(to);
    return this.#proofs.consistency(from, to);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it refuses is a rejection
  async tile(level: number, n: number, width: number): Promise<Uint8Array> {
    if (tileWidth(level, n, this.#pack.leaves.length) < width) throw notHere();
    return this.#hashes(level, n, width);
  }

  /** Their signatures are verified when they are followed; which is all of them. */
  #checkAscending(size: number): void {
    let last = 0;
    for (const note of this.#pack.checkpoints) {
      const checkpoint = parseCheckpoint(parseNote(note).text);
      if (checkpoint.size <= last || checkpoint.size > size) throw damaged("its checkpoints are out of order");
      last = checkpoint.size;
    }
  }

  #need(size: number): void {
    if (size > this.#pack.leaves.length) throw notHere();
  }

  #hashes(level: number, n: number, width: number): Uint8Array {
    const name = `${level}/${n}`;
    const kept = this.#fullTiles.get(name);
    if (kept) return kept.slice(0, width * HASH_BYTES);
    const hashes = Array.from({ length: width }, (_, i) => this.#hash(level, n * TILE_WIDTH + i));
    const tile = concat(...hashes);
    if (width === TILE_WIDTH) this.#fullTiles.set(name, tile);
    return tile;
  }

  #hash(level: number, index: number): Uint8Array {
    const leaf = this.#pack.leaves[index];
    if (level > 0) return tileRoot(this.#hashes(level - 1, index, TILE_WIDTH));
    if (!leaf) throw notHere();
    return leafHash(leaf);
  }

  #verify(note: string): Promise<Verified<SignedCheckpoint>> {
    return verifyCheckpoint(note, this.#policy, { now: this.#now() });
  }
}

/** Reads a registry for a `Network` and keeps what was read: the pack is what that follower has verified. */
export class PackRecorder implements RegistryReader {
  readonly #reader: RegistryReader;
  readonly #leaves: Uint8Array[] = [];
  readonly #checkpoints: Verified<SignedCheckpoint>[] = [];

  constructor(reader: RegistryReader) {
    this.#reader = reader;
  }

  get origin(): string {
    return this.#reader.origin;
  }

  get logKey(): VerifierKey {
    return this.#reader.logKey;
  }

  checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#reader.checkpoint();
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    for await (const checkpoint of this.#reader.checkpoints(after, upTo)) {
      this.#checkpoints.push(checkpoint);
      yield checkpoint;
    }
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    for await (const leaf of this.#reader.leaves(from, to)) {
      this.#leaves[leaf.index] = leaf.leaf;
      yield leaf;
    }
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#reader.consistencyProof(from, to);
  }

  tile(level: number, n: number, width: number): Promise<Uint8Array> {
    return this.#reader.tile(level, n, width);
  }

  /** The pack of what a network followed through this reader up to its head. */
  pack(head: SignedCheckpoint, witnessKey: VerifierKey): TrustPack {
    const { logKey } = this.#reader;
    const checkpoints = this.#checkpoints.filter(({ size }) => size <= head.size).map(({ note }) => note);
    return { logKey, witnessKey, head: head.note, checkpoints, leaves: this.#leaves.slice(0, head.size) };
  }
}

/** Every record takes four bytes at least, so a larger count is none; nothing is allocated by it. */
function countOf(text: string, bytes: number): number {
  const count = /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : NaN;
  if (!(count <= bytes / 4)) throw damaged("a count is none");
  return count;
}

function keyOf(text: string, type: number): VerifierKey {
  const key = parseVerifierKey(text);
  if (key.type !== type || formatVerifierKey(key) !== text) throw damaged("a key is of another type");
  return key;
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw damaged("it is not UTF-8 where it must be");
  }
}

function damaged(why: string): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `the trust pack does not hold: ${why}`, { detail: "pack" });
}

function notHere(): PeerageError {
  return new PeerageError("ERR_NOT_FOUND", "the trust pack does not reach that far");
}
