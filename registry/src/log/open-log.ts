import {
  type CheckpointPolicy,
  equalBytes,
  parseCheckpoint,
  parseSignedNote,
  PeerageError,
  ProofBuilder,
  type SignedCheckpoint,
  type Verified,
  verifyCheckpoint,
} from "@peerage/core";
import type { HeadFile } from "../keys/head-file.ts";
import type { LogKeys } from "../keys/log-keys.ts";
import type { LogReads, LogStore, StoredCheckpoint } from "../store/log-store.ts";
import { isPostgresUrl } from "../store/location.ts";
import { openLogReads } from "../store/open-store.ts";
import type { OpenPostgresOptions } from "../store/postgres.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { QuorumClient } from "../witness/quorum.ts";
import { openEdge } from "./open-edge.ts";
import { Publisher } from "./publisher.ts";
import { type Sequencer, startSequencer } from "./sequencer.ts";
import { TileSource } from "./tile-source.ts";

export interface OpenLogOptions {
  readonly now?: () => Date;
  readonly onFailure?: (error: unknown) => void;
  readonly batchDelayMs?: number;
  readonly cadenceMs?: number;
  readonly quorum?: QuorumClient;
  /** Where the log is a PostgreSQL database. */
  readonly postgres?: Omit<OpenPostgresOptions, "mustExist">;
}

/** A log of which the newest checkpoint is known; `writer` is missing where it must not grow. */
export interface OpenLog extends AsyncDisposable {
  readonly reads: LogReads;
  readonly tiles: TileSource;
  readonly current: () => StoredCheckpoint;
  readonly readOnly?: string;
  /** Why nothing can be submitted at this moment, if so; it may pass. */
  notReady?(): string | undefined;
  readonly writer?: {
    readonly store: LogStore;
    readonly sequencer: Sequencer;
    readonly publisher: Pick<Publisher, "withoutQuorumMs">;
  };
  /** What to do when a checkpoint is shown, and when writing failed. */
  readonly hooks: { onPublish?: (checkpoint: StoredCheckpoint) => Promise<void>; failure?: unknown };
}

/**
 * The head that the head file holds.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID; ERR_CONFIG_INVALID if the log has another name
 */
export function ownHead(note: string, policy: CheckpointPolicy): Promise<Verified<SignedCheckpoint>> {
  const said = parseCheckpoint(parseSignedNote(note).text);
  if (said.origin !== policy.origin) {
    throw new PeerageError(
      "ERR_CONFIG_INVALID",
      `this log is called ${said.origin}: a log keeps its name, so ${policy.origin} needs a folder of its own`,
    );
  }
  return verifyCheckpoint(note, policy);
}

/**
 * Compares the database with heads that were shown; if it does not extend each of them, opens it read-only: appending to
 * a restored backup would fork the log.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function findRollback(location: string, seen: readonly SignedCheckpoint[]): Promise<OpenLog | undefined> {
  if (seen.length === 0) return undefined;
  const reads = await openLogReads(location);
  try {
    const tiles = new TileSource(reads);
    const proofs = new ProofBuilder((...at) => tiles.read(...at));
    const head = await reads.head();
    const newest = await reads.newestCheckpoint();
    for (const { size, root } of seen) {
      if (head.size >= size && equalBytes(await proofs.root(size), root)) continue;
      if (!newest) continue;
      await openEdge(reads, tiles); // older is one thing, damaged another
      const readOnly = `the database holds ${head.size} entries, but ${size} were published, or others: it was restored from an older backup`;
      return {
        reads,
        tiles,
        readOnly,
        current: () => newest,
        hooks: {},
        [Symbol.asyncDispose]: () => reads[Symbol.asyncDispose](),
      };
    }
  } catch (error) {
    await reads[Symbol.asyncDispose]();
    throw error;
  }
  await reads[Symbol.asyncDispose]();
  return undefined;
}

/** Opens the database (a path, or the address of a PostgreSQL database) for writing, checks it against itself, and starts to sequence and to publish. */
export async function openWritable(
  options: OpenLogOptions,
  database: string,
  keys: LogKeys,
  headFile: HeadFile,
  mustExist: boolean,
): Promise<OpenLog> {
  if (isPostgresUrl(database)) {
    const { SharedLog } = await import("./shared-log.ts");
    return SharedLog.open({ ...options, url: database, keys, headFile, mustExist });
  }
  const hooks: OpenLog["hooks"] = {};
  const onFailure = (error: unknown): void => {
    if (hooks.failure !== undefined) return;
    hooks.failure = error;
    options.onFailure?.(error);
  };
  const store = await openSqliteStore(database, { mustExist, thread: true });
  try {
    const tiles = new TileSource(store);
    const proofs = new ProofBuilder((...at) => tiles.read(...at));
    const sequencer = startSequencer({
      store,
      edge: await openEdge(store, tiles),
      onCommit: () => publisher.grown(),
      onFailure,
      ...(options.batchDelayMs === undefined ? {} : { batchDelayMs: options.batchDelayMs }),
    });
    const publisher = await Publisher.start({
      store,
      keys,
      headFile,
      now: options.now ?? (() => new Date()),
      head: () => sequencer.head,
      quorum: options.quorum,
      consistency: (from, to) => proofs.consistency(from, to),
      onPublish: (checkpoint) => hooks.onPublish?.(checkpoint),
      onFailure,
      ...(options.cadenceMs === undefined ? {} : { cadenceMs: options.cadenceMs }),
    });
    return {
      reads: store,
      tiles,
      current: () => publisher.current,
      hooks,
      writer: { store, sequencer, publisher },
      [Symbol.asyncDispose]: async () => {
        await sequencer[Symbol.asyncDispose]();
        await publisher[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
