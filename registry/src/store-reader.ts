import { setImmediate } from "node:timers/promises";
import {
  isPeerageError,
  type LogLeaf,
  type ProofBuilder,
  type RegistryReader,
  type SignedCheckpoint,
  type Statement,
  trustStoredStatement,
  type Verified,
  type VerifierKey,
  verifyCheckpoint,
} from "@peerage/core";
import { type LogKeys, ownPolicy } from "./keys/log-keys.ts";
import type { TileSource } from "./log/tile-source.ts";
import type { LogReads, StoredCheckpoint } from "./store/log-store.ts";
import type { QuorumClient } from "./witness/quorum.ts";

export interface StoreReaderOptions {
  readonly keys: LogKeys;
  readonly reads: LogReads;
  readonly tiles: TileSource;
  readonly proofs: ProofBuilder;
  /** The witnesses of this log: what they have cosigned is witnessed. */
  readonly quorum?: QuorumClient | undefined;
  /** What is published now. */
  readonly current: () => StoredCheckpoint;
}

const PAGE = 256;
const MAX_RECENT = 16_384;

/**
 * Reads the registry's own log in process, through the same interface as followers over HTTP. Statements were verified
 * when they were admitted and are not verified again; that they hash to the signed root was checked when the store opened.
 */
export class StoreReader implements RegistryReader {
  readonly origin: string;
  readonly logKey: VerifierKey;
  readonly #options: StoreReaderOptions;
  readonly #recent = new Map<number, Verified<Statement>>();

  constructor(options: StoreReaderOptions) {
    this.origin = options.keys.origin;
    this.logKey = options.keys.log.key;
    this.#options = options;
  }

  /** Keeps a statement that was just verified and logged until it is read once, so that it need not be parsed again. */
  remember(index: number, statement: Verified<Statement>): void {
    if (this.#recent.size < MAX_RECENT) this.#recent.set(index, statement);
  }

  checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#verify(this.#options.current());
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    for (let last = after; ;) {
      const page = await this.#options.reads.checkpoints(last, PAGE);
      for (const stored of page) {
        if (stored.size > upTo) return;
        last = stored.size;
        yield await this.#verify(stored);
      }
      if (page.length < PAGE) return;
    }
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    const end = Math.min(to, this.#options.current().size);
    for (let at = from; at < end; at += PAGE) {
      if (at > from) await setImmediate(); // a long log must not hold up requests
      for (const { index, body } of await this.#options.reads.entries(at, Math.min(at + PAGE, end))) {
        const statement = this.#recent.get(index) ?? trustStoredStatement(body);
        this.#recent.delete(index);
        yield { index, leaf: body, statement };
      }
    }
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#options.proofs.consistency(from, to);
  }

  tile(level: number, n: number, width: number): Promise<Uint8Array> {
    return this.#options.tiles.read(level, n, width);
  }

  async #verify({ note }: StoredCheckpoint): Promise<Verified<SignedCheckpoint>> {
    const { keys, quorum } = this.#options;
    const own = await verifyCheckpoint(note, ownPolicy(keys));
    if (!quorum) return own;
    try {
      const judged = await verifyCheckpoint(note, { ...ownPolicy(keys), quorum: quorum.policy });
      // Its answers give the times of its own witness, which every checkpoint has, from before there was a quorum too.
      return own.time === undefined ? judged : { ...judged, time: own.time };
    } catch (error) {
      if (isPeerageError(error, "ERR_CHECKPOINT_INVALID")) return own;
      throw error;
    }
  }
}
