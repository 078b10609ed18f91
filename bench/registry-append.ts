/** Batches of 100 whose signatures are checked, on disk one after the other, beside the raw rate of verification. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  generateIdentity,
  parseMultibaseKey,
  multibaseOf,
  type PublicKey,
  TileEdge,
  verifySignature,
  verifyStatement,
  type Vouch,
} from "@peerage/core";
import { toCandidate } from "../registry/src/admission/entry.ts";
import { type Candidate, TreeWriter } from "../registry/src/log/tree-writer.ts";
import type { LogStore } from "../registry/src/store/log-store.ts";
import { openPostgresStore } from "../registry/src/store/postgres.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";
import { startPostgres } from "../test/_postgres.ts";
import { perSecond, rate, type Row } from "./report.ts";

const BATCH = 100;

/** A statement whose signature is to be checked over the 64 bytes that `eddsa-jcs-2022` signs. */
interface Signed {
  readonly key: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly candidate: Candidate;
}

/** Rows for both drivers; PostgreSQL is a real server on this machine. */
export async function appendRows(vouches: readonly Vouch[]): Promise<Row[]> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const message = Buffer.alloc(64, 7);
  const signature = sign(null, message, privateKey);
  const openssl = rate(() => void verify(null, message, publicKey, signature));
  const signed = signAll(vouches);
  const [first] = signed;
  const raw = rate(() => void verifySignature(first!.key, first!.message, first!.signature));
  const rows: Row[] = [
    { what: "Ed25519, raw, one core: OpenSSL", value: perSecond(openssl), ratio: "reference" },
    { what: "Ed25519, raw, one core: the verdict of core, libsodium", value: perSecond(raw), ratio: "reference" },
  ];
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-append-"));
  try {
    const open = (name: string): Promise<LogStore> =>
      openSqliteStore(join(folder, `${name}.db`), { mustExist: false, thread: true });
    const row = (what: string, value: number, goal?: string): Row => ({
      what: `${what}, batch ${BATCH}`,
      value: `${Math.round(value).toLocaleString("en-US")}/s`,
      ratio: `${(value / raw.perSecond).toFixed(2)} × raw libsodium, ${(value / openssl.perSecond).toFixed(2)} × raw OpenSSL`,
      ...(goal === undefined ? {} : { goal }),
    });
    rows.push(
      row(
        "SQLite FULL: signature checked, in the tree, on disk",
        await appendSigned(await open("a"), signed),
        "≥ 0.80 × raw",
      ),
      row(
        "SQLite FULL: whole statement verified (JSON, form, schema, proof)",
        await appendStatements(await open("b"), vouches),
      ),
    );
    await using server = await startPostgres();
    const url = await server.database("bench");
    const store = await openPostgresStore(url, { mustExist: false });
    rows.push(
      row("PostgreSQL: signature checked, in the tree, on disk", await appendSigned(store, signed), "≥ 0.60 × raw"),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

function signAll(vouches: readonly Vouch[]): Signed[] {
  const identity = generateIdentity();
  const key = parseMultibaseKey(multibaseOf(identity.did));
  return vouches.map((vouch) => {
    const candidate = toCandidate(vouch);
    const message = Buffer.concat([candidate.leaf, candidate.id]);
    return { key, message, signature: identity.sign(message), candidate };
  });
}

/** One batch is checked while the one before is on its way to the disk, as in a registry. */
async function inBatches<T>(
  store: LogStore,
  items: readonly T[],
  check: (item: T) => Promise<Candidate>,
): Promise<number> {
  await using owned = store;
  const tree = new TreeWriter(owned, TileEdge.empty());
  const start = performance.now();
  let writing: Promise<unknown> = Promise.resolve();
  for (let at = 0; at < items.length; at += BATCH) {
    const batch: Candidate[] = [];
    for (const item of items.slice(at, at + BATCH)) batch.push(await check(item));
    await writing;
    writing = tree.commit(batch, (...write) => owned.append(...write));
  }
  await writing;
  const seconds = (performance.now() - start) / 1_000;
  if ((await owned.head()).size !== items.length) throw new Error("not all of it is in the log");
  return items.length / seconds;
}

function appendSigned(store: LogStore, signed: readonly Signed[]): Promise<number> {
  return inBatches(store, signed, ({ key, message, signature, candidate }) => {
    if (!verifySignature(key, message, signature)) throw new Error("a signature does not hold");
    return Promise.resolve(candidate);
  });
}

function appendStatements(store: LogStore, vouches: readonly Vouch[]): Promise<number> {
  return inBatches(store, vouches, async ({ bytes }) => toCandidate(await verifyStatement(bytes, { keysOf: "any" })));
}
