import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Hono } from "hono";
import {
  addSignature,
  type CheckpointPolicy,
  didFromPublicKey,
  equalBytes,
  type ForkEvidence,
  formatVerifierKey,
  HttpRegistryReader,
  LogForkedError,
  multibaseOf,
  noteSignerFromSeed,
  type NoteSigner,
  originHash,
  parseVerifierKey,
  PeerageError,
  ProofBuilder,
  type SignedCheckpoint,
  type TileEdge,
  toHex,
  type Verified,
  type VerifierKey,
  verifyCheckpoint,
  verifyExtension,
  WITNESS_TYPE,
} from "@peerage/core";
import type { Env } from "../http/route.ts";
import { createKeyFile, readKeyFile } from "../keys/key-file.ts";
import { openEdge } from "../log/open-edge.ts";
import { TileSource } from "../log/tile-source.ts";
import type { StoredCheckpoint, StoredEntry } from "../store/log-store.ts";
import { openSqliteStore, type SqliteLogStore } from "../store/sqlite.ts";
import { type Logger, silentLogger } from "../operations/logger.ts";
import { keepFork } from "../witness/forks.ts";
import { PeerStore } from "../witness/peer-store.ts";
import { mirrorApp } from "./mirror-app.ts";
import { toRow } from "./mirror-store.ts";
import { pinFile } from "./pin-file.ts";

/** What is mirrored, from where to where. */
export interface MirrorOptions {
  /** Base URL of the registry, or of another mirror of it. */
  readonly url: string;
  /** Holds `mirror.db`, `witness.db` (evidence), `pin.json` and `keys/mirror.key`; made 0700 if it is missing. */
  readonly dataDir: string;
  /** The name under which it cosigns; by default `mirror/<multibase of its key>`. */
  readonly name?: string;
  /** Witnesses that must have cosigned what it copies. */
  readonly quorum?: CheckpointPolicy["quorum"];
  /** Looks for more that often; 10,000 by default. 0: only when `refresh` is called. */
  readonly followMs?: number;
  readonly now?: () => Date;
  readonly fetch?: typeof fetch;
  readonly logger?: Logger;
  /** Called while the copy is made. */
  readonly onProgress?: (done: number, total: number) => void;
  /** A refresh failed; it is tried again. For a fork, `evidence` proves it. */
  readonly onAlarm?: (error: PeerageError, evidence?: ForkEvidence) => void;
}

/** A verified copy of another registry's log, in this process. */
export interface Mirror extends AsyncDisposable {
  readonly origin: string;
  /** Cosigns "stored and served up to N"; type 0x04. */
  readonly key: VerifierKey;
  /** Serves the copy under `/mirror/{origin hash}/`. */
  readonly app: Hono<Env>;
  /** `/mirror/{origin hash}`: what to put behind this mirror's address to read the log there. */
  readonly path: string;
  /** What it has and serves. */
  readonly checkpoint: StoredCheckpoint;
  /** Leaves that are no statements: kept, as they are under the signed root, and counted for nothing. */
  readonly rejected: number;
  /**
   * Copies and verifies what is new. Concurrent calls share one run; a failure leaves the last good copy in place.
   * @throws {PeerageError} what the reader throws, ERR_LOG_FORKED, ERR_CONSISTENCY_INVALID, ERR_REGISTRY_RESPONSE
   */
  refresh(): Promise<StoredCheckpoint>;
}

/**
 * Opens a mirror. The first copy is made before it returns, unless an earlier one is there, which is then served at once.
 * @throws {PeerageError} what {@link Mirror.refresh} throws; ERR_STORE_CORRUPT, ERR_KEY_FILE_INVALID, ERR_KEY_FILE_UNSAFE
 */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const { dataDir } = options;
  await mkdir(join(dataDir, "keys"), { recursive: true, mode: 0o700 });
  const keyPath = join(dataDir, "keys", "mirror.key");
  const seed = (await readKeyFile(keyPath, "mirror")) ?? (await createKeyFile(keyPath, "mirror"));
  const bytes = noteSignerFromSeed("mirror", WITNESS_TYPE, seed).key.publicKey.bytes;
  const name = options.name ?? `mirror/${multibaseOf(didFromPublicKey(bytes))}`;
  const signer = noteSignerFromSeed(name, WITNESS_TYPE, seed);
  const pins = pinFile(join(dataDir, "pin.json"));
  const pin = pins.only();
  const policy: CheckpointPolicy | undefined = pin && {
    origin: pin.origin,
    logKey: parseVerifierKey(pin.logKey),
    operatorWitness: parseVerifierKey(pin.witnessKey),
  };
  const store = await openSqliteStore(join(dataDir, "mirror.db"), { mustExist: false });
  let peers: PeerStore | undefined;
  try {
    peers = new PeerStore(join(dataDir, "witness.db"));
    const tiles = new TileSource(store);
    const edge = await openEdge(store, tiles);
    const mirror = new OpenMirror(options, { signer, store, peers, tiles, edge, policy, pins });
    await mirror.start();
    return mirror;
  } catch (error) {
    store[Symbol.dispose]();
    peers?.[Symbol.dispose]();
    throw error;
  }
}

interface Parts {
  readonly signer: NoteSigner;
  readonly store: SqliteLogStore;
  readonly peers: PeerStore;
  readonly tiles: TileSource;
  readonly edge: TileEdge;
  readonly policy: CheckpointPolicy | undefined;
  readonly pins: ReturnType<typeof pinFile>;
}

class OpenMirror implements Mirror {
  readonly #options: MirrorOptions;
  readonly #parts: Parts;
  readonly #proofs: ProofBuilder;
  readonly #now: () => Date;
  #edge: TileEdge;
  #policy: CheckpointPolicy | undefined;
  #reader: HttpRegistryReader | undefined;
  #app: Hono<Env> | undefined;
  #current: StoredCheckpoint | undefined;
  #rejected = 0;
  #running: Promise<StoredCheckpoint> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: MirrorOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#edge = parts.edge;
    this.#policy = parts.policy;
    this.#now = options.now ?? (() => new Date());
    this.#proofs = new ProofBuilder((...at) => parts.tiles.read(...at));
  }

  /** Serves an earlier copy, or makes the first. */
  async start(): Promise<void> {
    const stored = await this.#parts.store.newestCheckpoint();
    if (stored && this.#policy) await this.#show(stored);
    else await this.refresh();
    this.#schedule();
  }

  get origin(): string {
    return this.#known().origin;
  }

  get key(): VerifierKey {
    return this.#parts.signer.key;
  }

  get path(): string {
    return `/mirror/${originHash(this.origin)}`;
  }

  get app(): Hono<Env> {
    const { store, tiles, peers } = this.#parts;
    return (this.#app ??= mirrorApp({
      path: this.path,
      pin: {
        origin: this.origin,
        logKey: formatVerifierKey(this.#known().logKey),
        witnessKey: formatVerifierKey(this.#known().operatorWitness ?? this.key),
      },
      mirrorKey: this.key,
      reads: store,
      tiles,
      proofs: this.#proofs,
      peers,
      logger: this.#options.logger ?? silentLogger,
      published: this,
    }));
  }

  get checkpoint(): StoredCheckpoint {
    if (!this.#current) throw new TypeError("there is no copy before start");
    return this.#current;
  }

  get rejected(): number {
    return this.#rejected;
  }

  refresh(): Promise<StoredCheckpoint> {
    return (this.#running ??= this.#refresh().finally(() => {
      this.#running = undefined;
    }));
  }

  async #refresh(): Promise<StoredCheckpoint> {
    const reader = (this.#reader ??= await this.#connect());
    const newest = await reader.checkpoint();
    const shown = await this.#shownHead();
    if (shown && newest.size < shown.size) return this.checkpoint; // an older copy; its age will tell
    if (shown && newest.size === shown.size) {
      await this.#guarded(verifyExtension(shown, newest, { logKey: reader.logKey, proof: [] }));
      if ((newest.time ?? 0) > (shown.time ?? 0)) await this.#show(toStored(newest));
      return this.checkpoint;
    }
    const leaves = reader.leaves(this.#edge.size, newest.size)[Symbol.asyncIterator]();
    for await (const checkpoint of this.#checkpointsTo(reader, shown?.size ?? -1, newest)) {
      await this.#copyTo(reader, checkpoint, leaves);
      this.#options.onProgress?.(checkpoint.size, newest.size);
    }
    return this.checkpoint;
  }

  async *#checkpointsTo(
    reader: HttpRegistryReader,
    after: number,
    newest: Verified<SignedCheckpoint>,
  ): AsyncGenerator<Verified<SignedCheckpoint>> {
    let last = after;
    for await (const checkpoint of reader.checkpoints(after, newest.size)) {
      last = checkpoint.size;
      yield checkpoint;
    }
    if (last < newest.size) yield newest;
  }

  /** Copies the leaves up to a head. Nothing is stored before they have led to its root. */
  async #copyTo(
    reader: HttpRegistryReader,
    checkpoint: Verified<SignedCheckpoint>,
    leaves: AsyncIterator<{ index: number; leaf: Uint8Array }>,
  ): Promise<void> {
    const { store } = this.#parts;
    const old = { size: this.#edge.size, root: this.#edge.root() };
    const trial = this.#edge.clone();
    const rows: StoredEntry[] = [];
    const tiles = [];
    const fresh = new Set<string>();
    let rejected = 0;
    while (trial.size < checkpoint.size) {
      const next = await leaves.next();
      if (next.done === true || next.value.index !== trial.size) {
        throw new PeerageError("ERR_REGISTRY_RESPONSE", "the leaves are incomplete or out of order");
      }
      const judged = await toRow(next.value, async (id) => fresh.has(toHex(id)) || Boolean(await store.byId(id)));
      fresh.add(toHex(judged.row.id));
      if (judged.rejected) rejected++;
      rows.push({ index: trial.size, ...judged.row });
      tiles.push(...trial.append(judged.row.leaf));
    }
    // A crash may have left the copy ahead of what it serves.
    const root = trial.size === checkpoint.size ? trial.root() : await this.#proofs.root(checkpoint.size);
    if (!equalBytes(root, checkpoint.root)) await this.#explainMismatch(reader, checkpoint);
    if (rows.length > 0) await store.append(rows, tiles, old, { size: trial.size, root: trial.root() });
    this.#edge = trial;
    this.#rejected += rejected;
    const stored = toStored(checkpoint);
    await store.publish(stored);
    await this.#show(stored);
  }

  /** The leaves do not lead to a signed root: either they are not the log's, or the log is not the one copied so far. */
  async #explainMismatch(reader: HttpRegistryReader, checkpoint: Verified<SignedCheckpoint>): Promise<never> {
    const shown = await this.#shownHead();
    if (shown && shown.size > 0) {
      const proof = await reader.consistencyProof(shown.size, checkpoint.size);
      const readTile = (...at: Parameters<typeof reader.tile>): Promise<Uint8Array> => reader.tile(...at);
      await this.#guarded(verifyExtension(shown, checkpoint, { logKey: reader.logKey, proof, readTile }));
    }
    throw new PeerageError("ERR_REGISTRY_RESPONSE", "the leaves do not lead to the signed root");
  }

  /** Keeps the evidence if the log turns out to have forked. */
  async #guarded(check: Promise<void>): Promise<void> {
    try {
      await check;
    } catch (error) {
      if (error instanceof LogForkedError) keepFork(this.#parts.peers, error.evidence, this.#now());
      throw error;
    }
  }

  /** Says by its own cosignature that all of it is stored and served. */
  async #show(stored: StoredCheckpoint): Promise<void> {
    const note = await addSignature(stored.note, this.#parts.signer, this.#now());
    this.#current = { ...stored, note };
  }

  async #shownHead(): Promise<Verified<SignedCheckpoint> | undefined> {
    return this.#current && verifyCheckpoint(this.#current.note, this.#known());
  }

  async #connect(): Promise<HttpRegistryReader> {
    const { url, quorum, fetch: send, now } = this.#options;
    const reader = await HttpRegistryReader.connect({
      url,
      ...(this.#policy ? { policy: this.#policy } : { pins: this.#parts.pins }),
      ...(quorum ? { quorum } : {}),
      ...(send ? { fetch: send } : {}),
      ...(now ? { now } : {}),
    });
    const { origin, logKey, operatorWitness } = reader.policy;
    this.#policy ??= { origin, logKey, ...(operatorWitness ? { operatorWitness } : {}) };
    return reader;
  }

  #known(): CheckpointPolicy {
    if (!this.#policy) throw new TypeError("the log is not known before start");
    return this.#policy;
  }

  #schedule(): void {
    const every = this.#options.followMs ?? 10_000;
    if (this.#ended || every === 0) return;
    this.#timer = setTimeout(() => {
      void this.refresh()
        .then(
          () => undefined,
          (error: unknown) => this.#alarm(error),
        )
        .finally(() => this.#schedule());
    }, every);
    this.#timer.unref();
  }

  #alarm(error: unknown): void {
    const known =
      error instanceof PeerageError ? error : new PeerageError("ERR_INTERNAL", "the mirror failed", { cause: error });
    this.#options.onAlarm?.(known, error instanceof LogForkedError ? error.evidence : undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
    this.#parts.store[Symbol.dispose]();
    this.#parts.peers[Symbol.dispose]();
  }
}

function toStored({ size, root, time = 0, note }: SignedCheckpoint): StoredCheckpoint {
  return { size, root, time, note };
}
