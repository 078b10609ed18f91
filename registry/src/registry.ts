import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Hono } from "hono";
import {
  type Did,
  Network,
  PeerageError,
  ProofBuilder,
  type RegistryReader,
  type VerifierKey,
  type View,
} from "@peerage/core";
import { Admission, type Submission } from "./admission/admission.ts";
import { registryApp } from "./http/app.ts";
import type { Env } from "./http/route.ts";
import type { StreamLimits } from "./http/service.ts";
import { WriteLimiter } from "./http/write-limiter.ts";
import { HeadFile } from "./keys/head-file.ts";
import { type LogKeys, openLogKeys, ownPolicy } from "./keys/log-keys.ts";
import { findRollback, type OpenLog, openWritable } from "./log/open-log.ts";
import { type Publication, Published } from "./published.ts";
import type { Durability } from "./store/sqlite.ts";
import { StoreReader } from "./store-reader.ts";

export interface RegistryOptions {
  /** Holds `registry.db` and `keys/`; made 0700 if it is missing. */
  readonly dataDir: string;
  /** Names the log: host, port and path of it are the origin. Without one the origin is `local/<log key>`. */
  readonly publicUrl?: string;
  /** From whom scores start where a request names nobody; published, and nobody's policy but this registry's. */
  readonly roots?: readonly Did[];
  readonly now?: () => Date;
  /**
   * Called once when a write failed or another process took over. Reads go on, nothing can be submitted any more: end
   * the process and start anew.
   */
  readonly onFailure?: (error: unknown) => void;
  /** Writes a minute from one /24 or /48; by default 60 with a public URL off loopback, else no limit. */
  readonly writesPerMinute?: number;
  readonly streams?: Partial<StreamLimits>;
  /** See {@link file://./log/sequencer.ts} and {@link file://./log/publisher.ts}. */
  readonly batchDelayMs?: number;
  readonly cadenceMs?: number;
}

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
  durability(): Durability | undefined;
}

/**
 * Opens a registry, making its keys and database at the first start. A database that was restored from an older backup
 * is opened read-only, see {@link Registry.readOnly}.
 * @throws {PeerageError} ERR_STORE_CORRUPT, ERR_KEY_FILE_INVALID, ERR_KEY_FILE_UNSAFE, ERR_CONFIG_INVALID
 */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { dataDir, publicUrl } = options;
  const database = join(dataDir, "registry.db");
  const keysDir = join(dataDir, "keys");
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const headFile = new HeadFile(join(keysDir, "head"));
  const note = await headFile.read();
  const mayCreate = note === undefined && !existsSync(database);
  const keys = await openLogKeys(keysDir, { mayCreate, ...(publicUrl === undefined ? {} : { publicUrl }) });
  const rollback = note === undefined ? undefined : await findRollback(database, note, ownPolicy(keys));
  const log = rollback ?? (await openWritable(options, database, keys, headFile, note !== undefined));
  try {
    return await OpenRegistry.open(options, keys, log);
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
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

  private constructor(options: RegistryOptions, keys: LogKeys, log: OpenLog, parts: Parts) {
    const now = options.now ?? (() => new Date());
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
        onLogged: (index, statement) => parts.reader.remember(index, statement),
      });
    const perMinute = options.writesPerMinute ?? (isPublic(options.publicUrl) ? 60 : 0);
    this.app = registryApp({
      keys,
      reads: log.reads,
      tiles: log.tiles,
      proofs: parts.proofs,
      published: parts.published,
      roots: options.roots ?? [],
      publicUrl: options.publicUrl,
      limiter: perMinute > 0 ? new WriteLimiter(perMinute, now) : undefined,
      streams: { maximum: 1_024, heartbeatMs: 15_000, stallMs: 30_000, ...options.streams },
      submit: (leaf) => this.submit(leaf),
      notWritable: () => this.#notWritable(),
    });
  }

  static async open(options: RegistryOptions, keys: LogKeys, log: OpenLog): Promise<OpenRegistry> {
    const proofs = new ProofBuilder((level, n, width) => log.tiles.read(level, n, width));
    const reader = new StoreReader({ keys, reads: log.reads, tiles: log.tiles, proofs, current: log.current });
    const network = await Network.open({ reader, ...(options.now ? { now: options.now } : {}) });
    const published = new Published(network, log.current());
    log.hooks.onPublish = (checkpoint) => published.advance(checkpoint);
    return new OpenRegistry(options, keys, log, { reader, proofs, published });
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

  async submit(leaf: Uint8Array): Promise<Submission> {
    const why = this.#notWritable();
    if (why !== undefined || !this.#admission)
      throw new PeerageError("ERR_REGISTRY_BUSY", why ?? "this registry is read-only");
    return this.#admission.submit(leaf);
  }

  published(index: number, timeoutMs: number = 15_000): Promise<boolean> {
    return this.#published.covers(index, timeoutMs);
  }

  durability(): Durability | undefined {
    return this.#log.writer?.store.durability();
  }

  #notWritable(): string | undefined {
    if (this.#log.readOnly !== undefined) return `this registry is read-only: ${this.#log.readOnly}`;
    return this.#log.hooks.failure === undefined ? undefined : "this registry could not write and must be restarted";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
  }
}

function isPublic(publicUrl: string | undefined): boolean {
  return publicUrl !== undefined && !["127.0.0.1", "[::1]", "localhost"].includes(new URL(publicUrl).hostname);
}
