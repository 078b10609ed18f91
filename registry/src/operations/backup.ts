import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { PeerageError } from "@peerage/core";
import { openEdge } from "../log/open-edge.ts";
import { TileSource } from "../log/tile-source.ts";
import type { Head } from "../store/log-store.ts";
import { openLogReads } from "../store/open-store.ts";

/** What is copied, and where to. */
export interface BackupOptions {
  /** The registry's folder. It may be running. */
  readonly dataDir: string;
  /** The file to make; one that exists is not touched. */
  readonly to: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Copies the log of a running registry, as it was at one moment, and checks the copy: the edge of its tree leads to its
 * head. Keys, head file and notes are not in it: the first two are kept apart so that they expose a restore, and what
 * was erased must not come back.
 * @throws {PeerageError} ERR_NOT_FOUND if there is no log, ERR_CONFIG_INVALID if the file exists, ERR_STORE_CORRUPT
 */
export async function backupRegistry({ dataDir, to, onProgress }: BackupOptions): Promise<Head> {
  const from = join(dataDir, "registry.db");
  if (!existsSync(from)) throw new PeerageError("ERR_NOT_FOUND", `${from} does not exist`);
  if (existsSync(to)) throw new PeerageError("ERR_CONFIG_INVALID", `${to} exists already`);
  const part = `${to}.part`;
  try {
    await copy(from, part, onProgress);
    const head = await check(part);
    await rename(part, to);
    return head;
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) await rm(part + suffix, { force: true });
  }
}

async function copy(from: string, to: string, onProgress: BackupOptions["onProgress"]): Promise<void> {
  const db = new Database(from, { readonly: true, fileMustExist: true, timeout: 5_000 });
  try {
    await db.backup(to, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress?.(totalPages - remainingPages, totalPages);
        return 1_000;
      },
    });
  } finally {
    db.close();
  }
  const file = await open(to, "r+");
  await file.sync();
  await file.close();
}

async function check(path: string): Promise<Head> {
  await using reads = await openLogReads(path);
  await openEdge(reads, new TileSource(reads));
  return await reads.head();
}
