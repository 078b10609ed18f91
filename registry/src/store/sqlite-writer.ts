import Database from "better-sqlite3";
import type { Durability, FullTile, Head, StoredCheckpoint, StoredEntry } from "./log-store.ts";

/** What became of a checkpoint that was to be stored. */
export type PublishOutcome = "stored" | "fenced" | "other-root";

/**
 * The writing connection of the SQLite driver, in whichever thread it was made. It knows nothing of the rest of Peerage,
 * so a thread for it starts fast.
 */
export class SqliteWriter implements Disposable {
  readonly #db: Database.Database;
  readonly #append: (entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head) => boolean;
  readonly #publish: (checkpoint: StoredCheckpoint) => PublishOutcome;

  /** Opens a database that has its tables. @throws {Error} if it cannot be opened or would not flush every commit */
  constructor(path: string, epoch: number) {
    const db = new Database(path, { timeout: 5_000, fileMustExist: true });
    this.#db = db;
    makeDurable(db);
    const insert = db.prepare(
      "INSERT INTO entry (idx, id, leaf, kind, issuer, subject, target, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    const putTile = db.prepare("INSERT INTO tile (level, n, hashes) VALUES (?, ?, ?)");
    const swapHead = db.prepare(
      "UPDATE head SET size = ?, root = ? WHERE log = 1 AND size = ? AND root = ? AND epoch = ?",
    );
    const mine = db.prepare("SELECT 1 FROM head WHERE log = 1 AND epoch = ?");
    const putCheckpoint = db.prepare("INSERT INTO checkpoint (size, root, time, note) VALUES (?, ?, ?, ?)");
    const rootOf = db.prepare<[number], Buffer>("SELECT root FROM checkpoint WHERE size = ?").pluck();
    const append = db.transaction(
      (entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): boolean => {
        // First the fence: it takes the write lock, so a superseded writer learns it before it has done anything.
        if (swapHead.run(head.size, head.root, old.size, old.root, epoch).changes !== 1) return false;
        for (const e of entries) insert.run(e.index, e.id, e.leaf, e.kind, e.issuer, e.subject, e.target, e.body);
        for (const tile of tiles) putTile.run(tile.level, tile.n, tile.hashes);
        return true;
      },
    );
    const publish = db.transaction((c: StoredCheckpoint): PublishOutcome => {
      if (mine.get(epoch) === undefined) return "fenced";
      const first = rootOf.get(c.size);
      if (first) return first.equals(c.root) ? "stored" : "other-root";
      putCheckpoint.run(c.size, c.root, c.time, c.note);
      return "stored";
    });
    this.#append = (entries, tiles, old, head): boolean => append.immediate(entries, tiles, old, head);
    this.#publish = (checkpoint): PublishOutcome => publish.immediate(checkpoint);
  }

  /** @returns false if another writer has taken over: nothing was written */
  append(entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): boolean {
    return this.#append(entries, tiles, old, head);
  }

  publish(checkpoint: StoredCheckpoint): PublishOutcome {
    return this.#publish(checkpoint);
  }

  /** Read from the connection, not remembered. */
  durability(): Durability {
    return durabilityOf(this.#db);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Makes every commit of a connection reach the disk before it returns. @throws {Error} if SQLite does otherwise */
export function makeDurable(db: Database.Database): void {
  db.pragma("journal_mode = WAL");
  // This build re-opens a WAL database as NORMAL, under which an acknowledgement may leave before its fsync.
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  const { journalMode, synchronous } = durabilityOf(db);
  if (journalMode !== "wal" || synchronous !== 2) {
    throw new Error(
      `it would not flush every commit (journal ${String(journalMode)}, synchronous ${String(synchronous)})`,
    );
  }
}

function durabilityOf(db: Database.Database): Durability {
  return {
    journalMode: db.pragma("journal_mode", { simple: true }),
    synchronous: db.pragma("synchronous", { simple: true }),
  };
}
