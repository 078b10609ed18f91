import { equalBytes } from "../encoding/bytes.ts";
import { type ErrorCode, isPeerageError, PeerageError } from "../errors.ts";
import { checkKeyEvent } from "../statement/key-event.ts";
import type { Statement } from "../statement/types.ts";
import { verifyStatement } from "../statement/verify.ts";
import type { SignedCheckpoint } from "../tlog/checkpoint.ts";
import { CompactRange } from "../tlog/compact-range.ts";
import { verifyExtension } from "../tlog/fork.ts";
import { leafHash } from "../tlog/merkle.ts";
import type { Verified } from "../verified.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";
import { StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

/** A leaf of the log that counts for nothing, and why. */
export interface RejectedLeaf {
  readonly index: number;
  readonly code: ErrorCode;
}

export interface NetworkOptions {
  readonly reader: RegistryReader;
  readonly now?: () => Date;
  /** Called while the first copy is made. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Follows one log: checks every checkpoint, hashes every leaf into its root, verifies every statement, and keeps what
 * they mean. Each follower is a small auditor: a log that shrinks, forks or alters a leaf stops it on the last good view.
 */
export class Network {
  readonly #reader: RegistryReader;
  readonly #now: () => Date;
  readonly #onProgress: ((done: number, total: number) => void) | undefined;
  readonly #set = new StatementSet();
  readonly #rejected: RejectedLeaf[] = [];
  #range = CompactRange.empty();
  #head: Verified<SignedCheckpoint>;
  #view: View;
  #refreshing: Promise<View> | undefined;

  private constructor(options: NetworkOptions, checkpoint: Verified<SignedCheckpoint>) {
    this.#reader = options.reader;
    this.#now = options.now ?? (() => new Date());
    this.#onProgress = options.onProgress;
    this.#head = { ...checkpoint, size: 0, root: this.#range.root() };
    this.#view = this.#viewOf(this.#head);
  }

  /**
   * Copies and checks the whole log.
   * @throws {PeerageError} what the reader throws, ERR_LOG_FORKED, ERR_CONSISTENCY_INVALID, ERR_REGISTRY_RESPONSE
   */
  static async open(options: NetworkOptions): Promise<Network> {
    const network = new Network(options, await options.reader.checkpoint());
    await network.refresh();
    return network;
  }

  /** The newest view. It stays as it is; {@link refresh} makes another. */
  get view(): View {
    return this.#view;
  }

  get origin(): string {
    return this.#reader.origin;
  }

  /** Leaves that do not verify: they count for nothing. */
  get rejected(): readonly RejectedLeaf[] {
    return this.#rejected;
  }

  /** Seconds since the newest checkpoint was stamped. */
  ageSeconds(): number {
    return Math.max(0, this.#now().getTime() / 1000 - (this.#head.time ?? 0));
  }

  /** Fetches what is new. Concurrent calls share one run; a failure leaves the last good view in place. */
  refresh(): Promise<View> {
    return (this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    }));
  }

  async #refresh(): Promise<View> {
    const newest = await this.#reader.checkpoint();
    const head = this.#head;
    if (newest.size < head.size) return this.#view; // an older copy of the same log; its age will tell
    if (newest.size > head.size) await this.#extend(newest);
    else if (head.size > 0) await verifyExtension(head, newest, { logKey: this.#reader.logKey, proof: [] });
    if (newest.size > head.size || (newest.time ?? 0) > (head.time ?? 0)) {
      this.#head = newest;
      this.#view = this.#viewOf(newest);
    }
    return this.#view;
  }

  /** Reads the leaves up to `newest`; nothing is kept unless every root on the way comes out right. */
  async #extend(newest: Verified<SignedCheckpoint>): Promise<void> {
    const range = this.#range.clone();
    const judged: (JudgedLeaf & { time: number })[] = [];
    const leaves = this.#judgedLeaves(range.size, newest.size)[Symbol.asyncIterator]();
    for await (const checkpoint of this.#checkpointsTo(range.size, newest)) {
      while (range.size < checkpoint.size) {
        const next = await leaves.next();
        if (next.done || next.value.index !== range.size) throw badAnswer("the leaves are incomplete or out of order");
        range.append(next.value.hash);
        judged.push({ ...next.value, time: checkpoint.time ?? 0 });
      }
      if (!equalBytes(range.root(), checkpoint.root)) await this.#explainMismatch(checkpoint);
      this.#onProgress?.(range.size, newest.size);
    }
    for (const leaf of judged) this.#admit(leaf);
    this.#range = range;
  }

  /** Leaves with their hash and verdict, verified 64 at a time so that a long log does not fill the memory. */
  async *#judgedLeaves(from: number, to: number): AsyncGenerator<JudgedLeaf> {
    const pending: Promise<JudgedLeaf>[] = [];
    for await (const leaf of this.#reader.leaves(from, to)) {
      pending.push(judgeLeaf(leaf));
      if (pending.length >= 64) yield* await Promise.all(pending.splice(0));
    }
    yield* await Promise.all(pending);
  }

  /** The published checkpoints up to the newest, which ends the list even if the reader does not name it. */
  async *#checkpointsTo(from: number, newest: Verified<SignedCheckpoint>): AsyncGenerator<Verified<SignedCheckpoint>> {
    let last = from;
    for await (const checkpoint of this.#reader.checkpoints(from, newest.size)) {
      if (checkpoint.size <= last || checkpoint.size > newest.size) throw badAnswer("the checkpoints are out of order");
      last = checkpoint.size;
      yield checkpoint;
    }
    if (last < newest.size) yield newest;
  }

  #admit({ index, time, statement, code }: JudgedLeaf & { time: number }): void {
    const defect = statement ? this.#keyEventDefect(statement) : code;
    if (defect) this.#rejected.push({ index, code: defect });
    else if (statement) this.#set.add({ statement, index, time });
  }

  /** A key event must extend the chain of its issuer; other kinds have been judged by then. */
  #keyEventDefect(statement: Verified<Statement>): ErrorCode | undefined {
    if (statement.kind !== "KeyEvent") return undefined;
    const chain = this.#set.agent(statement.issuer)?.keyEvents.map((logged) => logged.statement) ?? [];
    // A second `init` is not an extension, but it is evidence of a dispute if it was witnessed at the same time.
    if (statement.event === "init") return undefined;
    try {
      checkKeyEvent(statement, chain);
      return undefined;
    } catch (error) {
      if (isPeerageError(error)) return error.code;
      throw error;
    }
  }

  /** The leaves do not lead to a signed root: either they are not the log's, or the log is not the one seen before. */
  async #explainMismatch(checkpoint: Verified<SignedCheckpoint>): Promise<never> {
    const seen = this.#head;
    if (seen.size > 0) {
      const { logKey } = this.#reader;
      const proof = await this.#reader.consistencyProof(seen.size, checkpoint.size);
      const readTile = (level: number, n: number, width: number): Promise<Uint8Array> =>
        this.#reader.tile(level, n, width);
      await verifyExtension(seen, checkpoint, { logKey, proof, readTile });
    }
    throw badAnswer("the leaves do not lead to the signed root");
  }

  #viewOf(checkpoint: Verified<SignedCheckpoint>): View {
    const { origin, size, root, witnessed, note } = checkpoint;
    return new View(this.#set, { origin, size, root, witnessed, note, time: checkpoint.time ?? 0 });
  }
}

interface JudgedLeaf {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly statement?: Verified<Statement>;
  readonly code?: ErrorCode;
}

async function judgeLeaf({ index, leaf, statement }: LogLeaf): Promise<JudgedLeaf> {
  const hash = leafHash(leaf);
  try {
    return { index, hash, statement: statement ?? (await verifyStatement(leaf)) };
  } catch (error) {
    if (isPeerageError(error)) return { index, hash, code: error.code };
    throw error;
  }
}

function badAnswer(message: string): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `the registry's answer does not hold: ${message}`);
}
