import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { equalBytes, leafHash, ProofBuilder, sha256, TileEdge, verifyInclusion } from "@peerage/core";
import { openEdge } from "../registry/src/log/open-edge.ts";
import { startSequencer } from "../registry/src/log/sequencer.ts";
import { TileSource } from "../registry/src/log/tile-source.ts";
import { kindCodes, keyKinds } from "../registry/src/store/kinds.ts";
import type { FullTile, Head, LogStore, StoredEntry } from "../registry/src/store/log-store.ts";
import { connectPostgres, openPostgresStore } from "../registry/src/store/postgres.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";
import { startPostgres, type TestPostgres } from "./_postgres.ts";
import { temporaryFolder } from "./_registry.ts";

let server: TestPostgres;
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Opens one log again and again. */
interface Place extends AsyncDisposable {
  open(mustExist?: boolean): Promise<LogStore>;
}

type Places = Record<string, () => Promise<Place>>;

function sqlitePlace(thread: boolean): Promise<Place> {
  const folder = temporaryFolder();
  return Promise.resolve({
    open: (mustExist = false) => openSqliteStore(join(folder.path, "registry.db"), { mustExist, thread }),
    [Symbol.asyncDispose]: () => {
      folder[Symbol.dispose]();
      return Promise.resolve();
    },
  });
}

async function postgresPlace(maxUses?: number): Promise<Place> {
  const url = await server.database(`contract_${databases++}`);
  return {
    open: (mustExist = false) => openPostgresStore(url, { mustExist, ...(maxUses === undefined ? {} : { maxUses }) }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const places: Places = {
  "SQLite in this thread": () => sqlitePlace(false),
  "SQLite in a thread of its own": () => sqlitePlace(true),
  PostgreSQL: () => postgresPlace(),
  "PostgreSQL with another session for every statement": () => postgresPlace(1),
};

const empty: Head = { size: 0, root: sha256("") };

function entry(index: number, own: Partial<StoredEntry> = {}): StoredEntry {
  const body = own.body ?? Buffer.from(`statement ${index}`);
  return {
    index,
    id: sha256(body),
    leaf: leafHash(body),
    kind: kindCodes.Vouch,
    issuer: `did:key:issuer${index % 3}`,
    subject: null,
    target: null,
    body,
    ...own,
  };
}

/** The batch that takes an edge from where it is to `size`, and the edge after it. */
function batch(edge: TileEdge, entries: readonly StoredEntry[]): [StoredEntry[], FullTile[], Head, Head] {
  const old = { size: edge.size, root: edge.root() };
  const tiles = entries.flatMap(({ leaf }) => edge.append(leaf));
  return [[...entries], tiles, old, { size: edge.size, root: edge.root() }];
}

function entries(from: number, to: number): StoredEntry[] {
  return Array.from({ length: to - from }, (_, i) => entry(from + i));
}

function same(a: StoredEntry | undefined, b: StoredEntry): void {
  expect(a).toBeDefined();
  const plain = (e: StoredEntry): object => ({
    ...e,
    id: Buffer.from(e.id).toString("hex"),
    leaf: Buffer.from(e.leaf).toString("hex"),
    target: e.target && Buffer.from(e.target).toString("hex"),
    body: Buffer.from(e.body).toString("hex"),
  });
  expect(plain(a!)).toEqual(plain(b));
}

describe.each(Object.entries(places))("the contract of a log's store: %s", (_, make) => {
  it("gives back what was appended, by index, id, issuer, subject, kind and target", async () => {
    await using place = await make();
    await using store = await place.open();
    const edge = TileEdge.empty();
    const target = entry(1).id;
    const all = [
      entry(0, { kind: kindCodes.KeyInit }),
      entry(1, { subject: "did:key:subject" }),
      entry(2, { kind: kindCodes.RevocationOfStatement, target }),
      entry(3, { kind: kindCodes.KeyRotate, body: Buffer.from([0, 255, 39, 92, 10, 34, 123]) }),
      entry(4, { kind: kindCodes.Report, subject: "did:key:subject" }),
    ];
    await store.append(...batch(edge, all));
    for (const each of all) same(await store.byId(each.id), each);
    expect(await store.byId(sha256("another"))).toBeUndefined();
    expect(await store.indexesOf([all[3]!.id, sha256("another"), all[0]!.id, all[3]!.id])).toEqual([
      3,
      undefined,
      0,
      3,
    ]);
    expect(await store.indexesOf([])).toEqual([]);
    expect((await store.entries(1, 4)).map(({ index }) => index)).toEqual([1, 2, 3]);
    expect(Buffer.from(await store.leafHashes(0, 2))).toEqual(Buffer.concat([all[0]!.leaf, all[1]!.leaf]));
    const page = async (...args: Parameters<LogStore["page"]>): Promise<number[]> =>
      (await store.page(...args)).map(({ index }) => index);
    expect(await page({}, -1, 5, 3)).toEqual([0, 1, 2]);
    expect(await page({ issuer: "did:key:issuer0" }, -1, 5, 9)).toEqual([0, 3]);
    expect(await page({ issuer: "did:key:issuer0", kinds: keyKinds }, 0, Number.MAX_SAFE_INTEGER, 9)).toEqual([3]);
    expect(await page({ subject: "did:key:subject" }, 1, 5, 9)).toEqual([4]);
    expect(await store.keyStatements("did:key:issuer0")).toEqual([kindCodes.KeyInit, kindCodes.KeyRotate]);
    expect(await store.keyStatements("did:key:issuer2")).toEqual([]);
    expect((await store.revocationsOf(target)).map(({ index }) => index)).toEqual([2]);
    const head = await store.head();
    expect(head.size).toBe(5);
    expect(equalBytes(head.root, edge.root())).toBe(true);
  });

  it("takes the whole batch or none of it", async () => {
    await using place = await make();
    await using store = await place.open();
    const edge = TileEdge.empty();
    await store.append(...batch(edge, entries(0, 2)));
    const twice = [entry(2), entry(3, { id: entry(0).id })];
    await expect(store.append(...batch(edge.clone(), twice))).rejects.toThrow();
    const [rows, tiles, old, head] = batch(edge.clone(), entries(2, 4));
    await expect(store.append(rows, tiles, old, { ...head, size: 5 })).rejects.toThrow(RangeError);
    expect((await store.head()).size).toBe(2);
    expect(await store.entries(0, 10)).toHaveLength(2);
    await store.append(...batch(edge, entries(2, 4)));
    expect(await store.entries(0, 10)).toHaveLength(4);
  });

  it("keeps complete tiles, and rebuilds from them an edge with the same root", async () => {
    await using place = await make();
    const edge = TileEdge.empty();
    {
      await using store = await place.open();
      for (let at = 0; at < 700; at += 175) await store.append(...batch(edge, entries(at, at + 175)));
    }
    await using store = await place.open(true);
    expect(await store.tile(0, 1)).toHaveLength(8_192);
    expect(await store.tile(0, 2)).toBeUndefined();
    const tiles = new TileSource(store);
    expect(equalBytes((await openEdge(store, tiles)).root(), edge.root())).toBe(true);
    const proofs = new ProofBuilder((...at) => tiles.read(...at));
    const head = await store.head();
    for (const index of [0, 255, 256, 699]) {
      const proof = await proofs.inclusion(index, head.size);
      verifyInclusion({ index, ...head, leafHash: entry(index).leaf, proof });
    }
  });

  it("A-LOG-07 fences the writer that was there before, whatever it writes", async () => {
    await using place = await make();
    await using first = await place.open();
    const edge = TileEdge.empty();
    await first.append(...batch(edge, entries(0, 3)));
    await using second = await place.open();
    expect(second.epoch).toBeGreaterThan(first.epoch);
    const head = { size: 3, root: edge.root() };
    const late = batch(edge.clone(), entries(3, 4));
    await expect(first.append(...late)).rejects.toMatchObject({ code: "ERR_STORE_FENCED" });
    await expect(first.publish({ ...head, time: 1, note: "late" })).rejects.toMatchObject({ code: "ERR_STORE_FENCED" });
    expect(await second.newestCheckpoint()).toBeUndefined();
    await second.append(...late);
    await expect(second.append(...late)).rejects.toMatchObject({ code: "ERR_STORE_FENCED" });
    expect((await second.head()).size).toBe(4);
  });

  it("keeps the first checkpoint of a size, and no other root at it", async () => {
    await using place = await make();
    await using store = await place.open();
    const edge = TileEdge.empty();
    expect(await store.newestCheckpoint()).toBeUndefined();
    await store.publish({ ...empty, time: 5, note: "of nothing" });
    await store.append(...batch(edge, entries(0, 3)));
    await store.publish({ size: 3, root: edge.root(), time: 7, note: "first" });
    await store.publish({ size: 3, root: edge.root(), time: 9, note: "renewed" });
    await expect(store.publish({ size: 3, root: sha256("x"), time: 9, note: "forged" })).rejects.toThrow(RangeError);
    expect(await store.newestCheckpoint()).toMatchObject({ size: 3, time: 7, note: "first" });
    expect(await store.firstCheckpointCovering(0)).toMatchObject({ size: 3 });
    expect(await store.firstCheckpointCovering(3)).toBeUndefined();
    expect((await store.checkpoints(-1, 5)).map(({ size }) => size)).toEqual([0, 3]);
    expect(await store.checkpoints(0, 1)).toMatchObject([{ size: 3, time: 7 }]);
  });

  it("waits for the disk at every commit, and says so itself", async () => {
    await using place = await make();
    await using store = await place.open();
    const { synchronous, journalMode, fsync } = await store.durability();
    expect([
      [2, "wal", undefined],
      ["on", undefined, "on"],
    ]).toContainEqual([synchronous, journalMode, fsync]);
  });

  it("opens no log that is not there if it must be there", async () => {
    await using place = await make();
    await expect(place.open(true)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    await (await place.open())[Symbol.asyncDispose]();
    await (await place.open(true))[Symbol.asyncDispose]();
  });

  it("orders what several submit at the same time without gaps, each id once", async () => {
    await using place = await make();
    await using store = await place.open();
    await using sequencer = startSequencer({ store, edge: TileEdge.empty(), batchDelayMs: 1 });
    const candidates = entries(0, 500).map(({ index: _, ...rest }) => rest);
    const answers = await Promise.all([...candidates, ...candidates.slice(0, 100)].map((c) => sequencer.add(c)));
    expect(new Set(answers.map(({ index }) => index)).size).toBe(500);
    expect(Math.max(...answers.map(({ index }) => index))).toBe(499);
    expect(equalBytes((await openEdge(store, new TileSource(store))).root(), sequencer.head.root)).toBe(true);
  });
});

describe("PostgreSQL", () => {
  it("refuses a database whose commits do not wait for the disk, at the start and at every later write", async () => {
    const url = await server.database("hasty");
    const edge = TileEdge.empty();
    await using store = await openPostgresStore(url, { mustExist: false, maxUses: 1 });
    await store.append(...batch(edge, entries(0, 1)));
    const late = batch(edge.clone(), entries(1, 2));
    await withSetting(url, "off", async () => {
      await expect(store.append(...late)).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
      await expect(store.publish({ ...late[3], time: 1, note: "x" })).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
      });
      await expect(openPostgresStore(url, { mustExist: true })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    });
    await store.append(...late);
    expect((await store.head()).size).toBe(2);
  });

  it("A-LOG-09 refuses every update, deletion and truncation in the database itself", async () => {
    const url = await server.database("kept");
    await using store = await openPostgresStore(url, { mustExist: false });
    await store.append(...batch(TileEdge.empty(), entries(0, 300)));
    await store.publish({ ...empty, time: 1, note: "x" });
    for (const table of ["entry", "tile", "checkpoint"]) {
      for (const text of [`DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
        await expect(run(url, text)).rejects.toThrow(/append-only/);
      }
    }
    await expect(run(url, "UPDATE entry SET idx = idx + 1000")).rejects.toThrow(/append-only/);
    expect((await store.entries(0, 400)).length).toBe(300);
  });

  it("makes its tables once when many start at the same time", async () => {
    const url = await server.database("crowd");
    const stores = await Promise.all(Array.from({ length: 6 }, () => connectPostgres(url, { mustExist: false })));
    try {
      const taken = await Promise.all(stores.map((store) => store.take()));
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect((await stores[0]!.state()).head.size).toBe(0);
    } finally {
      for (const store of stores) await store[Symbol.asyncDispose]();
    }
  });

  it("gives the lease to another when it has run out or was given back, and not before", async () => {
    const url = await server.database("lease");
    await using first = await connectPostgres(url, { mustExist: false, leaseMs: 60_000 });
    await using second = await connectPostgres(url, { mustExist: false });
    // With the default, a registry that dies holds up the others for 10 s and one look at the head: less than 15 s.
    expect(second.leaseMs).toBe(10_000);
    expect(await first.take()).toBe(true);
    expect(await second.take()).toBe(false);
    expect(await first.take(), "its own").toBe(true);
    await first.renew();
    await run(url, "UPDATE head SET lease_until = now() - interval '1 second'"); // as if a minute had passed
    expect(await second.take()).toBe(true);
    await expect(first.renew()).rejects.toMatchObject({ code: "ERR_STORE_FENCED" });
    await second.release();
    expect(await first.take()).toBe(true);
    await first.renew();
  });
});

async function run(url: string, text: string): Promise<void> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

/** Runs something while new sessions of a database commit without waiting for the disk. */
async function withSetting(url: string, value: string, action: () => Promise<void>): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await run(url, `ALTER DATABASE ${name} SET synchronous_commit = ${value}`);
  try {
    await action();
  } finally {
    await run(url, `ALTER DATABASE ${name} RESET synchronous_commit`);
  }
}
