import { randomUUID } from "node:crypto";
import type pg from "pg";
import { equalBytes, PeerageError } from "@peerage/core";
import type { Durability, FullTile, Head, LogStore, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { showPostgresUrl } from "./location.ts";
import { openPool, type PostgresOptions, runStatement } from "./postgres-connection.ts";
import { migratePostgres } from "./postgres-migrations.ts";
import { PostgresReads } from "./postgres-reads.ts";

/** A statement that waits for its index. */
export interface IntakeRow extends Omit<StoredEntry, "index"> {
  /** Order of arrival, roughly; has gaps. */
  readonly seq: number;
}

/** What every frontend looks at again and again. */
export interface LogState {
  readonly head: Head;
  readonly epoch: number;
  /** Nobody holds the lease, or this process does. */
  readonly mayTake: boolean;
  readonly shown: StoredCheckpoint | undefined;
}

export interface OpenPostgresOptions extends PostgresOptions {
  /** Refuse a database without a log: set once this log has published anything. */
  readonly mustExist: boolean;
  /** How long a writer that stops answering keeps others out; 10,000 by default. */
  readonly leaseMs?: number;
}

/** What a commit reports about itself, beside whether it passed the fence. */
interface Written extends pg.QueryResultRow {
  readonly mine: boolean;
  readonly synchronous: string;
  readonly fsync: string;
}

// Under both a commit returns after its flush here, and on the standby if the operator has named one.
const FLUSHED = "('on', 'remote_apply')";
const SETTINGS = "current_setting('synchronous_commit') AS synchronous, current_setting('fsync') AS fsync";
const DURABLE = `current_setting('synchronous_commit') IN ${FLUSHED} AND current_setting('fsync') = 'on'`;

/**
 * The PostgreSQL driver. Any number of processes read, and hand in what waits; the head row is the fence that one at a
 * time passes. Every write is one statement and so one transaction: nothing is kept in a session, no lock outlives its
 * statement, and a pooler may stand between.
 */
export class PostgresLogStore extends PostgresReads implements LogStore {
  readonly #holder = randomUUID();
  readonly #leaseMs: number;
  #epoch = -1;

  /** Use {@link connectPostgres} or {@link openPostgresStore}. */
  constructor(pool: pg.Pool, options: Pick<OpenPostgresOptions, "leaseMs">) {
    super(pool);
    this.#leaseMs = options.leaseMs ?? 10_000;
  }

  /** How long a lease lasts without being renewed. */
  get leaseMs(): number {
    return this.#leaseMs;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Becomes the one writer if the lease has run out, or was this object's own; in any case with `force`.
   * @returns false if another holds it
   */
  async take(force = false): Promise<boolean> {
    const [row] = await this.query<{ epoch: number }>(
      `UPDATE head SET epoch = epoch + 1, holder = $1, lease_until = now() + $2 * interval '1 millisecond'
        WHERE log = 1 AND (lease_until < now() OR holder = $1 OR $3) RETURNING epoch`,
      [this.#holder, this.#leaseMs, force],
    );
    if (row) this.#epoch = row.epoch;
    return row !== undefined;
  }

  /** Keeps the lease. @throws {PeerageError} ERR_STORE_FENCED */
  async renew(): Promise<void> {
    const rows = await this.query(
      `UPDATE head SET lease_until = now() + $2 * interval '1 millisecond' WHERE log = 1 AND epoch = $1 RETURNING 1`,
      [this.#epoch, this.#leaseMs],
    );
    if (rows.length === 0) throw fenced();
  }

  /** Lets another take over at once; nothing if another has. */
  async release(): Promise<void> {
    await this.query("UPDATE head SET lease_until = '-infinity' WHERE log = 1 AND epoch = $1", [this.#epoch]);
    this.#epoch = -1;
  }

  async append(
    entries: readonly StoredEntry[],
    tiles: readonly FullTile[],
    old: Head,
    head: Head,
    /** Rows of the intake that are done with: removed in the same transaction. */
    drained: readonly number[] = [],
  ): Promise<void> {
    if (head.size !== old.size + entries.length)
      throw new RangeError("the new head must cover exactly the new entries");
    const [written] = await this.query<Written>(
      // Without the fence no row is produced, so nothing is inserted; a second writer waits at the head row for the first.
      `WITH mine AS (UPDATE head SET size = $1, root = $2, lease_until = now() + $3 * interval '1 millisecond'
          WHERE log = 1 AND size = $4 AND root = $5 AND epoch = $6 AND ${DURABLE} RETURNING 1),
        added AS (INSERT INTO entry (idx, id, leaf, kind, issuer, subject, target, body)
          SELECT e.* FROM mine, unnest($7::bigint[], $8::bytea[], $9::bytea[], $10::integer[], $11::text[], $12::text[],
            $13::bytea[], $14::bytea[]) AS e),
        completed AS (INSERT INTO tile (level, n, hashes)
          SELECT t.* FROM mine, unnest($15::integer[], $16::bigint[], $17::bytea[]) AS t),
        done AS (DELETE FROM intake USING mine WHERE seq = ANY ($18::bigint[]))
        SELECT EXISTS (SELECT FROM mine) AS mine, ${SETTINGS}`,
      [
        head.size,
        buffer(head.root),
        this.#leaseMs,
        old.size,
        buffer(old.root),
        this.#epoch,
        entries.map(({ index }) => index),
        entries.map(({ id }) => buffer(id)),
        entries.map(({ leaf }) => buffer(leaf)),
        entries.map(({ kind }) => kind),
        entries.map(({ issuer }) => issuer),
        entries.map(({ subject }) => subject),
        entries.map(({ target }) => target && buffer(target)),
        entries.map(({ body }) => buffer(body)),
        tiles.map(({ level }) => level),
        tiles.map(({ n }) => n),
        tiles.map(({ hashes }) => buffer(hashes)),
        drained,
      ],
    );
    passed(written);
  }

  /** Stores a checkpoint as every store does, and shows it to all frontends. */
  async publish({ size, root, time, note }: StoredCheckpoint): Promise<void> {
    const [written] = await this.query<Written & { root: Buffer | null }>(
      `WITH mine AS (SELECT 1 FROM head WHERE log = 1 AND epoch = $5 AND ${DURABLE}
          AND NOT EXISTS (SELECT FROM checkpoint WHERE size = $1 AND root <> $2) FOR UPDATE),
        kept AS (INSERT INTO checkpoint (size, root, time, note)
          SELECT $1::bigint, $2::bytea, $3::bigint, $4::text FROM mine ON CONFLICT (size) DO NOTHING),
        told AS (INSERT INTO shown (log, size, root, time, note)
          SELECT 1, $1::bigint, $2::bytea, $3::bigint, $4::text FROM mine
          ON CONFLICT (log) DO UPDATE SET size = $1, root = $2, time = $3, note = $4 WHERE shown.size <= $1)
        SELECT EXISTS (SELECT FROM mine) AS mine, (SELECT root FROM checkpoint WHERE size = $1) AS root, ${SETTINGS}`,
      [size, buffer(root), time, note, this.#epoch],
    );
    if (written?.root && !equalBytes(written.root, root))
      throw new RangeError(`another root was published at size ${size}`);
    passed(written);
  }

  /** Hands in what waits for its index. It is on disk, but is nowhere in the log, when the promise resolves. */
  async submit(candidates: readonly Omit<StoredEntry, "index">[]): Promise<void> {
    await this.query(
      `INSERT INTO intake (id, leaf, kind, issuer, subject, target, body)
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::integer[], $4::text[], $5::text[], $6::bytea[], $7::bytea[])`,
      [
        candidates.map(({ id }) => buffer(id)),
        candidates.map(({ leaf }) => buffer(leaf)),
        candidates.map(({ kind }) => kind),
        candidates.map(({ issuer }) => issuer),
        candidates.map(({ subject }) => subject),
        candidates.map(({ target }) => target && buffer(target)),
        candidates.map(({ body }) => buffer(body)),
      ],
    );
  }

  /** What has waited longest. */
  intake(limit: number): Promise<IntakeRow[]> {
    return this.query<IntakeRow & pg.QueryResultRow>("SELECT * FROM intake ORDER BY seq LIMIT $1", [limit]);
  }

  async state(): Promise<LogState> {
    const [row] = await this.query<{
      size: number;
      root: Buffer;
      epoch: number;
      may_take: boolean;
      shown_size: number | null;
      shown_root: Buffer;
      time: number;
      note: string;
    }>(
      `SELECT head.size, head.root, epoch, lease_until < now() OR holder = $1 AS may_take, shown.size AS shown_size,
          shown.root AS shown_root, shown.time, shown.note
        FROM head LEFT JOIN shown ON shown.log = head.log WHERE head.log = 1`,
      [this.#holder],
    );
    if (!row) throw new PeerageError("ERR_STORE_CORRUPT", "the registry's database has lost its head");
    const { size, root, epoch, may_take: mayTake, shown_size: shownSize, shown_root: shownRoot, time, note } = row;
    const shown = shownSize === null ? undefined : { size: shownSize, root: shownRoot, time, note };
    return { head: { size, root }, epoch, mayTake, shown };
  }

  async durability(): Promise<Durability> {
    const [row] = await this.query<Written>(`SELECT ${SETTINGS}`);
    return { synchronous: row?.synchronous, fsync: row?.fsync };
  }
}

/**
 * Connects without becoming the writer, and brings the database to its present form.
 * @throws {PeerageError} ERR_STORE_CORRUPT; ERR_REGISTRY_BUSY if it does not answer; ERR_CONFIG_INVALID if a commit there
 *   would not wait for the disk
 */
export async function connectPostgres(url: string, options: OpenPostgresOptions): Promise<PostgresLogStore> {
  const pool = openPool(url, options);
  try {
    const [row] = await runStatement<{ log: string | null }>(pool, "SELECT to_regclass('entry')::text AS log");
    if (options.mustExist && row?.log == null) {
      throw new PeerageError(
        "ERR_STORE_CORRUPT",
        `the database ${showPostgresUrl(url)} holds no log, although this log has published entries: restore it from a backup`,
      );
    }
    const [settings] = await runStatement<Written>(pool, `SELECT ${DURABLE} AS mine, ${SETTINGS}`);
    if (!settings?.mine) throw notFlushed(settings);
    await migratePostgres(pool);
    return new PostgresLogStore(pool, options);
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/**
 * Opens the PostgreSQL driver for writing, as the SQLite driver opens: whoever wrote before is fenced.
 * @throws {PeerageError} see {@link connectPostgres}
 */
export async function openPostgresStore(url: string, options: OpenPostgresOptions): Promise<PostgresLogStore> {
  const store = await connectPostgres(url, options);
  await store.take(true);
  return store;
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function passed(written: Written | undefined): void {
  if (written?.mine === true) return;
  const flushes = written && FLUSHED.includes(`'${written.synchronous}'`) && written.fsync === "on";
  throw flushes === false ? notFlushed(written) : fenced();
}

function fenced(): PeerageError {
  return new PeerageError("ERR_STORE_FENCED", "another process has opened this log for writing; this one must stop");
}

function notFlushed(settings: Written | undefined): PeerageError {
  return new PeerageError(
    "ERR_CONFIG_INVALID",
    `the database would acknowledge before a commit is on disk (synchronous_commit ${settings?.synchronous ?? "unknown"}, ` +
      `fsync ${settings?.fsync ?? "unknown"}): set both to on`,
  );
}
