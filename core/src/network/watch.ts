import { equalBytes } from "../encoding/bytes.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import { type SignedCheckpoint, verifyCheckpoint } from "../tlog/checkpoint.ts";
import { type ForkEvidence, LogForkedError, verifyExtension } from "../tlog/fork.ts";
import { leafHash } from "../tlog/merkle.ts";
import { type CompletedTile, TileEdge } from "../tlog/tile-edge.ts";
import { partialTiles, TILE_WIDTH } from "../tlog/tiles.ts";
import { originHash } from "../tlog/witness-protocol.ts";
import type { Verified } from "../verified.ts";
import { Network, type RejectedLeaf } from "./network.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";

/** Somebody else who has seen the log: a witness or a mirror. */
export interface LogObserver {
  readonly name: string;
  /** The newest head that it holds, as a signed note; undefined if it holds none. */
  newest(): Promise<string | undefined>;
}

/** How many wrong tiles are remembered, to be looked at again. */
const MAX_WRONG = 64;

/** What an observer's head says about the log that was read. */
export interface Observation {
  readonly name: string;
  /**
   * `consistent`: one extends the other. `ahead`: it has seen more than the log shows here. `none`: it holds no head.
   * `unreachable`; `invalid`: its head is not signed by the log. `forked`: evidence proves it. `contradicts`: neither
   * extends the other, but the log withholds what would prove it.
   */
  readonly status: "consistent" | "ahead" | "none" | "unreachable" | "invalid" | "forked" | "contradicts";
  /** Entries of the log as it was seen there. */
  readonly size?: number;
}

/** The outcome of one look at a log. */
export interface WatchReport {
  readonly origin: string;
  /** Entries under the newest head that was verified. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Of the newest head whose leaves were all verified, Unix seconds. */
  readonly time: number;
  /** Age of that head, in seconds. */
  readonly ageSeconds: number;
  readonly witnessed: boolean;
  /** Leaves that count for nothing. */
  readonly rejected: readonly RejectedLeaf[];
  readonly observations: readonly Observation[];
  /** Proofs that the log contradicted itself: transferable, they need nothing but the log's key. */
  readonly evidence: readonly Verified<ForkEvidence>[];
  /** Why the log could not be followed this time; what is reported is then the last good state. */
  readonly error?: PeerageError;
}

/** Which log is watched, and what else has seen it. */
export interface WatchOptions {
  readonly reader: RegistryReader;
  readonly observers?: readonly LogObserver[];
  readonly now?: () => Date;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Follows a log as an auditor: every checkpoint, signature, rule, leaf and tile is checked, and what witnesses and mirrors
 * saw is compared with what is shown here.
 */
export class LogWatcher {
  readonly #options: WatchOptions;
  readonly #reader: TileCheckingReader;
  #network: Network | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#reader = new TileCheckingReader(options.reader);
  }

  /** What was followed so far; undefined before the first whole copy. */
  get network(): Network | undefined {
    return this.#network;
  }

  /**
   * Reads what is new, checks it, and asks the observers.
   * @throws {PeerageError} if there is not even a first copy to report on
   */
  async check(): Promise<WatchReport> {
    const evidence: Verified<ForkEvidence>[] = [];
    let error: PeerageError | undefined;
    try {
      await this.#follow();
    } catch (cause) {
      if (!isPeerageError(cause) || !this.#network) throw cause;
      error = cause;
      if (cause instanceof LogForkedError) evidence.push(cause.evidence);
    }
    const network = this.#network;
    if (!network) throw new TypeError("followed without a network");
    const observations: Observation[] = [];
    for (const observer of this.#options.observers ?? []) {
      const { observation, proof } = await this.#compare(observer, network);
      observations.push(observation);
      if (proof) evidence.push(proof);
    }
    const { origin, size, root, time, witnessed } = network.view;
    return {
      origin,
      size,
      root,
      time,
      ageSeconds: network.ageSeconds(),
      witnessed,
      rejected: network.rejected,
      observations,
      evidence,
      ...(error ? { error } : {}),
    };
  }

  async #follow(): Promise<void> {
    const { now, onProgress } = this.#options;
    if (this.#network) {
      await this.#network.refresh();
      await this.#reader.checkTiles(this.#network.head);
      return;
    }
    this.#reader.forget();
    const network = await Network.open({
      reader: this.#reader,
      ...(now ? { now } : {}),
      ...(onProgress ? { onProgress } : {}),
    });
    await this.#reader.checkTiles(network.head);
    this.#network = network;
  }

  async #compare(
    observer: LogObserver,
    network: Network,
  ): Promise<{ observation: Observation; proof?: Verified<ForkEvidence> }> {
    const { name } = observer;
    const { origin, logKey } = this.#reader;
    let note: string | undefined;
    try {
      note = await observer.newest();
    } catch {
      return { observation: { name, status: "unreachable" } };
    }
    if (note === undefined) return { observation: { name, status: "none" } };
    let seen: Verified<SignedCheckpoint>;
    try {
      seen = await verifyCheckpoint(note, { origin, logKey });
    } catch {
      return { observation: { name, status: "invalid" } };
    }
    const { size } = seen;
    try {
      // It may have seen more only because it looked later.
      if (size > network.head.size) await network.refresh();
      if (size > network.head.size) return { observation: { name, status: "ahead", size } };
      await this.#checkExtends(seen, network.head);
      return { observation: { name, status: "consistent", size } };
    } catch (error) {
      if (error instanceof LogForkedError) {
        return { observation: { name, status: "forked", size }, proof: error.evidence };
      }
      if (isPeerageError(error)) return { observation: { name, status: "contradicts", size } };
      throw error;
    }
  }

  async #checkExtends(older: Verified<SignedCheckpoint>, newer: Verified<SignedCheckpoint>): Promise<void> {
    const reader = this.#reader;
    const proof =
      older.size === newer.size || older.size === 0 ? [] : await reader.consistencyProof(older.size, newer.size);
    const readTile = (level: number, n: number, width: number): Promise<Uint8Array> => reader.tile(level, n, width);
    await verifyExtension(older, newer, { logKey: reader.logKey, proof, readTile });
  }
}

/** One whole verification of a log from its first leaf. @throws {PeerageError} see {@link LogWatcher.check} */
export function auditLog(options: WatchOptions): Promise<WatchReport> {
  return new LogWatcher(options).check();
}

/**
 * A witness or mirror as an observer.
 * @param url - for a witness its submission prefix, for a mirror its base URL with `/mirror`: `/{origin hash}/checkpoint`
 *   is added
 */
export function httpObserver(
  url: string,
  origin: string,
  options: { readonly name?: string; readonly fetch?: typeof fetch; readonly timeoutMs?: number } = {},
): LogObserver {
  const { fetch: send = fetch, timeoutMs = 10_000 } = options;
  const address = `${url.replace(/\/+$/, "")}/${originHash(origin)}/checkpoint`;
  return {
    name: options.name ?? url,
    newest: async () => {
      const response = await send(address, { redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
      if (response.status === 404) return undefined;
      if (!response.ok) throw new PeerageError("ERR_REGISTRY_RESPONSE", `HTTP status ${response.status}`);
      return response.text();
    },
  };
}

/** Compares the tiles that a log serves with those that its leaves make. */
class TileCheckingReader implements RegistryReader {
  readonly #reader: RegistryReader;
  /** Of the leaves that led to a signed root, and of those that are being read. */
  #edge = TileEdge.empty();
  #trial = TileEdge.empty();
  /** Tiles that were served and are not those of the leaves; some of them, if there are many. */
  #wrong: CompletedTile[] = [];
  #wrongOfTrial: CompletedTile[] = [];

  constructor(reader: RegistryReader) {
    this.#reader = reader;
  }

  get origin(): string {
    return this.#reader.origin;
  }

  get logKey(): RegistryReader["logKey"] {
    return this.#reader.logKey;
  }

  checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#reader.checkpoint();
  }

  checkpoints(after: number, upTo: number): AsyncIterable<Verified<SignedCheckpoint>> {
    return this.#reader.checkpoints(after, upTo);
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    const trial = (this.#trial = this.#edge.clone());
    const wrong: CompletedTile[] = (this.#wrongOfTrial = []);
    for await (const leaf of this.#reader.leaves(from, to)) {
      if (leaf.index === trial.size) {
        for (const tile of trial.append(leafHash(leaf.leaf))) {
          // Not refused here: if the log was rewritten, the roots will tell, and that leaves evidence.
          if (wrong.length < MAX_WRONG && !(await this.#isServed(tile))) wrong.push(tile);
        }
      }
      yield leaf;
    }
  }

  /** Begins anew, with no leaf read. */
  forget(): void {
    this.#edge = this.#trial = TileEdge.empty();
    this.#wrong = this.#wrongOfTrial = [];
  }

  /**
   * Takes up the leaves that have led to a head, and checks their tiles: those of its right edge, and once more those that
   * were wrong before.
   * @throws {PeerageError} ERR_REGISTRY_RESPONSE
   */
  async checkTiles({ size, root }: SignedCheckpoint): Promise<void> {
    if (this.#trial.size !== size || !equalBytes(this.#trial.root(), root)) return;
    this.#edge = this.#trial;
    this.#wrong.push(...this.#wrongOfTrial.splice(0));
    for (let tile = this.#wrong[0]; tile; tile = this.#wrong[0]) {
      if (!(await this.#isServed(tile))) throw wrongTile(tile);
      this.#wrong.shift();
    }
    for (const { level, n, width } of partialTiles(size)) {
      const hashes = this.#edge.tile(level, n, width);
      if (hashes && !(await this.#isServed({ level, n, hashes }, width))) throw wrongTile({ level, n });
    }
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#reader.consistencyProof(from, to);
  }

  tile(level: number, n: number, width: number): Promise<Uint8Array> {
    return this.#reader.tile(level, n, width);
  }

  async #isServed({ level, n, hashes }: CompletedTile, width: number = TILE_WIDTH): Promise<boolean> {
    return equalBytes(await this.#reader.tile(level, n, width), hashes);
  }
}

function wrongTile({ level, n }: Pick<CompletedTile, "level" | "n">): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `tile ${n} of level ${level} is not that of the leaves`);
}
