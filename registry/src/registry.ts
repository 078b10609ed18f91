import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Context, Hono } from "hono";
import {
  type CheckpointQuorum,
  type Did,
  equalBytes,
  isPeerageError,
  Network,
  parseVerifierKey,
  PeerageError,
  ProofBuilder,
  type RegistryReader,
  type VerifierKey,
  type View,
} from "@peerage/core";
import { Admission, type Submission } from "./admission/admission.ts";
import { budgetsOf, hasBudgets, isPublic } from "./admission/mode.ts";
import { RateLimitedError } from "./admission/rate-limited.ts";
import { registryApp } from "./http/app.ts";
import { problem } from "./http/problem.ts";
import type { Ctx, Env } from "./http/route.ts";
import { AddressLimits } from "./http/address-limits.ts";
import { HeadFile } from "./keys/head-file.ts";
import { type LogKeys, openLogKeys, ownPolicy } from "./keys/log-keys.ts";
import { healFromMirrors, mirroredHeads, ownHeads } from "./log/heal.ts";
import { findRollback, type OpenLog, openWritable, ownHead } from "./log/open-log.ts";
import type { Mirror } from "./mirror/mirror.ts";
import { openMirrors } from "./mirror/open-mirrors.ts";
import type { RegistryOptions } from "./options.ts";
import { PROOF_TILES } from "./log/tile-source.ts";
import type { MessageStore } from "./messages/message-store.ts";
import { openMessages } from "./messages/open-messages.ts";
import type { NoteStore } from "./notes/note-store.ts";
import { openSqliteNotes } from "./notes/sqlite-notes.ts";
import { type Logger, silentLogger } from "./operations/logger.ts";
import { Metrics } from "./operations/metrics.ts";
import { type Publication, Published } from "./published.ts";
import { isPostgresUrl } from "./store/location.ts";
import type { Durability, LogReads } from "./store/log-store.ts";
import { holdsLog } from "./store/open-store.ts";
import { StoreReader } from "./store-reader.ts";
import { openOwnMemory } from "./witness/own-memory.ts";
import type { PeerStore } from "./witness/peer-store.ts";
import { QuorumClient, type WitnessState } from "./witness/quorum.ts";
import { Witness } from "./witness/witness.ts";

/** A registry in this process. */
export interface Registry extends AsyncDisposable {
  /** First line of every checkpoint. */
  readonly origin: string;
  /** Signs every head (type 0x01). */
  readonly logKey: VerifierKey;
  /** The operator's own witness (type 0x04): stamps the time, never counts in a quorum. */
  readonly witnessKey: VerifierKey;
  /** The routes of the HTTP interface, to serve alone or beside others. */
  readonly app: Hono<Env>;
  /** The log, as followers read it over HTTP. */
  readonly reader: RegistryReader;
  /** The state of the network under the newest published checkpoint. */
  readonly view: View;
  /** Newly published entries and renewed checkpoints. */
  readonly events: { subscribe(listener: (publication: Publication) => void): () => void };
  /** Set if the database is older than what was published: it can be read, and must not be appended to. */
  readonly readOnly: string | undefined;
  /**
   * Logs a statement as `POST /v1/statements` does, by the same rules; resolves when it is on disk.
   * @throws {PeerageError} see {@link Admission.submit}
   */
  submit(leaf: Uint8Array): Promise<Submission>;
  /** Resolves to true when an entry is published, to false after `timeoutMs`. */
  published(index: number, timeoutMs?: number): Promise<boolean>;
  /** How the database writes, as it says itself at this moment; undefined if it is read-only. */
  durability(): Promise<Durability> | undefined;
  /** What each witness said last; empty without witnesses. */
  readonly witnesses: readonly WitnessState[];
  /** Whose cosignatures each head needs before anyone sees it; undefined without witnesses. */
  readonly quorum: CheckpointQuorum | undefined;
  /** The name that an agent's profile gives in a note that is kept here: foreign text, and nobody's proof of anything. */
  nameOf(did: Did): string | undefined;
  /**
   * Counts a request for what is computed beside {@link app}, such as a page, among the reads of its network.
   * @returns the answer that refuses it, if it was one too many
   */
  countRead(c: Context): Response | undefined;
  /** Ends live feeds and makes `/readyz` fail: the first step of an orderly stop. What arrives is still answered. */
  drain(): void;
}

/**
 * Opens a registry, making its keys and database at the first start. A database that was restored from an older backup
 * is opened read-only, see {@link Registry.readOnly}.
 * @throws {PeerageError} ERR_STORE_CORRUPT, ERR_KEY_FILE_INVALID, ERR_KEY_FILE_UNSAFE, ERR_CONFIG_INVALID;
 *   ERR_REGISTRY_UNREACHABLE if witnesses are configured and no quorum of them cosigned the very first checkpoint
 * @throws {RangeError} if the quorum of witnesses would not prevent two versions of the log
 */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { dataDir, publicUrl } = options;
  const database = options.database ?? join(dataDir, "registry.db");
  if (options.database !== undefined && !isPostgresUrl(database)) {
    throw new TypeError("a database is given by its address, postgres://…; a SQLite file is where the data folder is");
  }
  const keysDir = join(dataDir, "keys");
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const headFile = new HeadFile(join(keysDir, "head"));
  const note = await headFile.read();
  const mayCreate = note === undefined && !(await holdsLog(database));
  const keys = await openLogKeys(keysDir, { mayCreate, ...(publicUrl === undefined ? {} : { publicUrl }) });
  const quorum = options.witnesses && new QuorumClient(options.witnesses);
  const own = [keys.log.key, keys.witness.key].map(({ publicKey }) => publicKey.bytes);
  if (quorum?.witnesses.some(({ key }) => own.some((bytes) => equalBytes(bytes, key.publicKey.bytes)))) {
    throw new RangeError("a registry is no witness of its own log");
  }
  const watched = (options.witnessFor ?? []).map(parseVerifierKey);
  if (watched.length > 0 && isPostgresUrl(database)) {
    throw new RangeError(
      "several processes with one key must not each remember what they cosigned: let a witness stand apart",
    );
  }
  const log = await openGuarded(options, { database, keys, headFile, note, quorum });
  let peers: PeerStore | undefined;
  let notes: NoteStore | undefined;
  let messages: MessageStore | undefined;
  let mirrors: readonly Mirror[] = [];
  try {
    notes = await openNotes(database, dataDir, log.reads);
    messages = await openMessages(database, dataDir, { log: keys.log, now: clockOf(options) });
    const memory = { isFirstStart: mayCreate, witnesses: watched.length > 0 };
    peers = openOwnMemory(join(dataDir, "witness.db"), memory);
    const witness = new Witness({ signer: keys.witness, store: peers, logs: watched, now: clockOf(options) });
    mirrors = await openMirrors(options);
    return await OpenRegistry.open(options, keys, log, { quorum, peers, witness, notes, messages, mirrors });
  } catch (error) {
    for (const mirror of mirrors) await mirror[Symbol.asyncDispose]();
    await messages?.[Symbol.asyncDispose]();
    await notes?.[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    peers?.[Symbol.dispose]();
    throw error;
  }
}

async function openNotes(database: string, dataDir: string, reads: LogReads): Promise<NoteStore> {
  if (!isPostgresUrl(database)) return openSqliteNotes(join(dataDir, "notes.db"), reads);
  return (await import("./notes/postgres-notes.ts")).openPostgresNotes(database, reads);
}

interface Guarded {
  readonly database: string;
  readonly keys: LogKeys;
  readonly headFile: HeadFile;
  /** The head file's content. */
  readonly note: string | undefined;
  readonly quorum: QuorumClient | undefined;
}

/**
 * The boot guard: before the first write, the database is compared with every head that is known to have been shown, by
 * the head file, the witnesses and the mirrors. An older one is completed from a mirror, or opened read-only.
 */
async function openGuarded(
  options: RegistryOptions,
  { database, keys, headFile, note, quorum }: Guarded,
): Promise<OpenLog> {
  const policy = ownPolicy(keys);
  const mirrors = options.mirrors ?? [];
  const notes = [
    ...(await (quorum?.newest(keys.origin) ?? [])),
    ...(await mirroredHeads(mirrors, policy)).map(({ head }) => head.note),
  ];
  const seen = await ownHeads(notes, policy);
  if (note !== undefined) seen.push(await ownHead(note, policy));
  const rollback = (): Promise<OpenLog | undefined> => findRollback(database, seen);
  const mustExist = note !== undefined || seen.some(({ size }) => size > 0);
  if (!(await holdsLog(database)) ? mustExist : await rollback().then(closed)) {
    await healFromMirrors({ database, policy, mirrors, seen });
  }
  const behind = (await holdsLog(database)) ? await rollback() : undefined;
  const log = { ...options, ...(quorum ? { quorum } : {}) };
  return behind ?? openWritable(log, database, keys, headFile, mustExist);
}

/** Closes what was opened to be looked at. @returns whether there was anything */
async function closed(log: OpenLog | undefined): Promise<boolean> {
  await log?.[Symbol.asyncDispose]();
  return log !== undefined;
}

function clockOf({ now }: RegistryOptions): () => Date {
  return now ?? (() => new Date());
}

interface Roles {
  readonly quorum: QuorumClient | undefined;
  readonly peers: PeerStore;
  readonly witness: Witness;
  readonly notes: NoteStore;
  readonly messages: MessageStore;
  readonly mirrors: readonly Mirror[];
}

interface Parts extends Roles {
  readonly reader: StoreReader;
  readonly proofs: ProofBuilder;
  readonly published: Published;
}

class OpenRegistry implements Registry {
  readonly origin: string;
  readonly logKey: VerifierKey;
  readonly witnessKey: VerifierKey;
  readonly app: Hono<Env>;
  readonly reader: RegistryReader;
  readonly #log: OpenLog;
  readonly #published: Published;
  readonly #admission: Admission | undefined;
  readonly #roles: Roles;
  readonly #limits: AddressLimits;
  readonly #patienceMs: number;
  readonly #stopping = new AbortController();
  readonly #metrics = new Metrics();
  readonly #logger: Logger;

  private constructor(options: RegistryOptions, keys: LogKeys, log: OpenLog, parts: Parts) {
    const now = clockOf(options);
    this.#roles = parts;
    this.#logger = options.logger ?? silentLogger;
    this.#patienceMs = options.quorumPatienceMs ?? 600_000;
    this.origin = keys.origin;
    this.logKey = keys.log.key;
    this.witnessKey = keys.witness.key;
    this.reader = parts.reader;
    this.#log = log;
    this.#published = parts.published;
    this.#admission =
      log.writer &&
      new Admission({
        reads: log.reads,
        sequencer: log.writer.sequencer,
        now,
        budgets: budgetsOf(options, log.reads, () => parts.published.view),
        members: options.members && new Set(options.members),
        hasEvidence: (digest, category) =>
          (category === "log-ended" ? parts.peers.end(digest) : parts.peers.fork(digest)) !== undefined,
        onLogged: (index, statement) => parts.reader.remember(index, statement),
      });
    const open = !isPublic(options.publicUrl);
    this.#limits = new AddressLimits({
      writes: options.writesPerMinute ?? (open ? 0 : 60),
      reads: options.readsPerMinute ?? (open ? 0 : 600),
      streams: options.streamsEach ?? (open ? 0 : 8),
      clients: options.clients ?? "direct",
      now,
    });
    this.app = registryApp({
      keys,
      reads: log.reads,
      tiles: log.tiles,
      proofs: parts.proofs,
      published: parts.published,
      notes: parts.notes,
      messages: parts.messages,
      roots: options.roots ?? [],
      publicUrl: options.publicUrl,
      mode: options.members ? "members" : hasBudgets(options) ? "public" : "open",
      limits: this.#limits,
      streams: { maximum: 1_024, heartbeatMs: 15_000, stallMs: 30_000, ...options.streams },
      openStreams: { count: 0 },
      stopping: this.#stopping.signal,
      metrics: this.#metrics,
      publicMetrics: options.publicMetrics ?? false,
      logger: this.#logger,
      waiting: () => log.writer?.sequencer.waiting ?? 0,
      mirrors: parts.mirrors,
      witness: parts.witness,
      peers: parts.peers,
      quorum: parts.quorum,
      now,
      submit: (leaf) => this.submit(leaf),
      notWritable: () => this.#notWritable(),
    });
  }

  static async open(options: RegistryOptions, keys: LogKeys, log: OpenLog, roles: Roles): Promise<OpenRegistry> {
    const proofs = new ProofBuilder((level, n, width) => log.tiles.read(level, n, width), { cacheTiles: PROOF_TILES });
    const { quorum } = roles;
    const reader = new StoreReader({ keys, reads: log.reads, tiles: log.tiles, proofs, current: log.current, quorum });
    const network = await Network.open({ reader, ...(options.now ? { now: options.now } : {}) });
    const published = new Published(network, log.current());
    log.hooks.onPublish = (checkpoint) => published.advance(checkpoint);
    const { logger = silentLogger } = options;
    published.subscribe(({ checkpoint: { size, time }, from }) =>
      logger.debug({ from, size, stamped: time }, "published"),
    );
    return new OpenRegistry(options, keys, log, { reader, proofs, published, ...roles });
  }

  get witnesses(): readonly WitnessState[] {
    return this.#roles.quorum?.states ?? [];
  }

  get quorum(): CheckpointQuorum | undefined {
    return this.#roles.quorum?.policy;
  }

  get view(): View {
    return this.#published.view;
  }

  get events(): Registry["events"] {
    return this.#published;
  }

  get readOnly(): string | undefined {
    return this.#log.readOnly;
  }

  nameOf(did: Did): string | undefined {
    const digest = this.view.profileOf(did)?.statement.noteDigest;
    return digest === undefined ? undefined : this.#roles.notes.nameOf(digest);
  }

  countRead(c: Context): Response | undefined {
    try {
      this.#limits.count(c as Ctx, "reads");
      return undefined;
    } catch (error) {
      if (error instanceof RateLimitedError) return problem(c, error);
      throw error;
    }
  }

  drain(): void {
    this.#stopping.abort();
  }

  async submit(leaf: Uint8Array): Promise<Submission> {
    try {
      const submission = await this.#submit(leaf);
      this.#logger.debug(submission, submission.known ? "statement known" : "statement logged");
      return submission;
    } catch (error) {
      this.#metrics.refused(isPeerageError(error) ? error.code : "ERR_INTERNAL");
      throw error;
    }
  }

  async #submit(leaf: Uint8Array): Promise<Submission> {
    const why = this.#notWritable();
    if (why !== undefined || !this.#admission)
      throw new PeerageError("ERR_REGISTRY_BUSY", why ?? "this registry is read-only");
    return this.#admission.submit(leaf);
  }

  published(index: number, timeoutMs: number = 15_000): Promise<boolean> {
    return this.#published.covers(index, timeoutMs);
  }

  durability(): Promise<Durability> | undefined {
    return this.#log.writer?.store.durability();
  }

  #notWritable(): string | undefined {
    if (this.#log.readOnly !== undefined) return `this registry is read-only: ${this.#log.readOnly}`;
    if (this.#log.hooks.failure !== undefined) return "this registry could not write and must be restarted";
    const notReady = this.#log.notReady?.();
    if (notReady !== undefined) return notReady;
    const withoutMs = this.#log.writer?.publisher.withoutQuorumMs ?? 0;
    return withoutMs > this.#patienceMs ? "no quorum of witnesses cosigns, so nothing can be published" : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    this.#metrics[Symbol.dispose]();
    for (const mirror of this.#roles.mirrors) await mirror[Symbol.asyncDispose]();
    await this.#roles.messages[Symbol.asyncDispose]();
    await this.#roles.notes[Symbol.asyncDispose]();
    await this.#log[Symbol.asyncDispose]();
    this.#roles.peers[Symbol.dispose]();
  }
}
