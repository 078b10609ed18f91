import { equalBytes } from "../encoding/bytes.ts";
import { type ErrorCode, isPeerageError, PeerageError } from "../errors.ts";
import { multibaseOf } from "../did/did-key.ts";
import type { Statement } from "../statement/types.ts";
import { verifyStatement } from "../statement/verify.ts";
import type { SignedCheckpoint } from "../tlog/checkpoint.ts";
import { CompactRange } from "../tlog/compact-range.ts";
import { verifyExtension } from "../tlog/fork.ts";
import { leafHash } from "../tlog/merkle.ts";
import type { Verified } from "../verified.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";
import { keyHistoryAt } from "./key-state.ts";
import { type Logged, StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

/** A leaf of the log that counts for nothing, and why. */
export interface RejectedLeaf {
  /** Its place in the log, from 0. */
  readonly index: number;
  readonly code: ErrorCode;
}

/** Which log is followed, and what is told of it. */
export interface NetworkOptions {
  readonly reader: RegistryReader;
  readonly now?: () => Date;
  /** Where its statements go: a set that several networks fill is the union of their logs. A new one by default. */
  readonly statements?: StatementSet;
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
  readonly #set: StatementSet;
  readonly #unreadable: RejectedLeaf[] = [];
  /** Statements by a key that has not been the DID's own at all times: whether they count may change. */
  readonly #judgedByKey: Logged[] = [];
  #range = CompactRange.empty();
  #head: Verified<SignedCheckpoint>;
  #view: View;
  #refreshing: Promise<View> | undefined;

  private constructor(options: NetworkOptions, checkpoint: Verified<SignedCheckpoint>) {
    this.#reader = options.reader;
    this.#set = options.statements ?? new StatementSet();
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

  /**
   * Leaves that count for nothing: they do not verify, a foreign or retired key signed them, or they are key events that
   * extend no chain. In log order.
   */
  get rejected(): readonly RejectedLeaf[] {
    const byKey = this.#judgedByKey.flatMap((logged): RejectedLeaf[] => {
      const code = keyDefect(this.#set, logged);
      return code ? [{ index: logged.index, code }] : [];
    });
    return [...this.#unreadable, ...byKey].sort((a, b) => a.index - b.index);
  }

  /** Everything that verified, to be merged with what other logs hold. */
  get statements(): StatementSet {
    return this.#set;
  }

  /** The newest checkpoint whose leaves are all here. */
  get head(): Verified<SignedCheckpoint> {
    return this.#head;
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
    if (code) this.#unreadable.push({ index, code });
    if (!statement) return;
    const logged = { statement, index, time };
    this.#set.add(logged);
    if (statement.kind === "KeyEvent" || statement.keys.some((key) => key !== multibaseOf(statement.issuer))) {
      this.#judgedByKey.push(logged);
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
    return { index, hash, statement: statement ?? (await verifyStatement(leaf, { keysOf: "any" })) };
  } catch (error) {
    if (isPeerageError(error)) return { index, hash, code: error.code };
    throw error;
  }
}

/** Why a statement counts for nothing by the keys that stood behind its issuer when it was witnessed. */
function keyDefect(set: StatementSet, logged: Logged): ErrorCode | undefined {
  const { statement, time } = logged;
  const agent = set.agent(statement.issuer);
  if (statement.kind === "KeyEvent") {
    // Whether an event extends its chain does not depend on later ones, so one look at all of them answers for each.
    return keyHistoryAt(statement.issuer, agent, Infinity).extends(statement.id) ? undefined : "ERR_KEY_EVENT_INVALID";
  }
  return keyHistoryAt(statement.issuer, agent, time).signed(logged) ? undefined : "ERR_KEY_SUPERSEDED";
}

function badAnswer(message: string): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `the registry's answer does not hold: ${message}`);
}
