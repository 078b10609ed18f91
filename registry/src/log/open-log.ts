import {
  type CheckpointPolicy,
  equalBytes,
  parseCheckpoint,
  parseSignedNote,
  PeerageError,
  ProofBuilder,
  verifyCheckpoint,
} from "@peerage/core";
import type { HeadFile } from "../keys/head-file.ts";
import type { LogKeys } from "../keys/log-keys.ts";
import type { LogReads, StoredCheckpoint } from "../store/log-store.ts";
import { openSqliteReads, openSqliteStore, type SqliteLogStore } from "../store/sqlite.ts";
import { openEdge } from "./open-edge.ts";
import { Publisher } from "./publisher.ts";
import { type Sequencer, startSequencer } from "./sequencer.ts";
import { TileSource } from "./tile-source.ts";

export interface OpenLogOptions {
  readonly now?: () => Date;
  readonly onFailure?: (error: unknown) => void;
  readonly batchDelayMs?: number;
  readonly cadenceMs?: number;
}

/** A log of which the newest checkpoint is known; `writer` is missing where it must not grow. */
export interface OpenLog extends AsyncDisposable {
  readonly reads: LogReads;
  readonly tiles: TileSource;
  readonly current: () => StoredCheckpoint;
  readonly readOnly?: string;
  readonly writer?: { readonly store: SqliteLogStore; readonly sequencer: Sequencer };
  /** What to do when a checkpoint is shown, and when writing failed. */
  readonly hooks: { onPublish?: (checkpoint: StoredCheckpoint) => Promise<void>; failure?: unknown };
}

/**
 * Compares the database with the last published checkpoint; if it is not an extension of it, opens it read-only:
 * appending to a restored backup would fork the log.
 * @throws {PeerageError} ERR_STORE_CORRUPT, ERR_CHECKPOINT_INVALID, ERR_CONFIG_INVALID if the log has another name
 */
export async function findRollback(path: string, note: string, policy: CheckpointPolicy): Promise<OpenLog | undefined> {
  const said = parseCheckpoint(parseSignedNote(note).text);
  if (said.origin !== policy.origin) {
    throw new PeerageError(
      "ERR_CONFIG_INVALID",
      `this log is called ${said.origin}: a log keeps its name, so ${policy.origin} needs a folder of its own`,
    );
  }
  const { size, root } = await verifyCheckpoint(note, policy);
  const reads = openSqliteReads(path);
  try {
    const tiles = new TileSource(reads);
    const head = await reads.head();
    const grown =
      head.size >= size && equalBytes(await new ProofBuilder((...at) => tiles.read(...at)).root(size), root);
    const newest = await reads.newestCheckpoint();
    if (!grown && newest) {
      await openEdge(reads, tiles); // older is one thing, damaged another
      const readOnly = `the database holds ${head.size} entries, but ${size} were published, or others: it was restored from an older backup`;
      return {
        reads,
        tiles,
        readOnly,
        current: () => newest,
        hooks: {},
        [Symbol.asyncDispose]: () => {
          reads[Symbol.dispose]();
          return Promise.resolve();
        },
      };
    }
  } catch (error) {
    reads[Symbol.dispose]();
    throw error;
  }
  reads[Symbol.dispose]();
  return undefined;
}

/** Opens the database for writing, checks it against itself, and starts to sequence and to publish. */
export async function openWritable(
  options: OpenLogOptions,
  database: string,
  keys: LogKeys,
  headFile: HeadFile,
  mustExist: boolean,
): Promise<OpenLog> {
  const hooks: OpenLog["hooks"] = {};
  const onFailure = (error: unknown): void => {
    if (hooks.failure !== undefined) return;
    hooks.failure = error;
    options.onFailure?.(error);
  };
  const store = await openSqliteStore(database, { mustExist });
  try {
    const tiles = new TileSource(store);
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
      onPublish: (checkpoint) => hooks.onPublish?.(checkpoint),
      onFailure,
      ...(options.cadenceMs === undefined ? {} : { cadenceMs: options.cadenceMs }),
    });
    return {
      reads: store,
      tiles,
      current: () => publisher.current,
      hooks,
      writer: { store, sequencer },
      [Symbol.asyncDispose]: async () => {
        await sequencer[Symbol.asyncDispose]();
        await publisher[Symbol.asyncDispose]();
        store[Symbol.dispose]();
      },
    };
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}
