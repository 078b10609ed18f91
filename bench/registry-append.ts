/** Batches of 100 whose signatures are checked, on disk one after the other, beside the raw rate of verification. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
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

/** Batches to warm up with, then in each round that counts. */
const WARM = 20;
const ROUND = 40;
const ROUNDS = 5;

/**
 * Rows for both drivers; PostgreSQL is a real server on this machine. The raw rate is measured before and after each round,
 * as a shared machine is not the same from one second to the next; the median round counts.
 * @param vouches at least `(WARM + ROUNDS × ROUND) × BATCH`
 */
export async function appendRows(vouches: readonly Vouch[]): Promise<Row[]> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const message = Buffer.alloc(64, 7);
  const signature = sign(null, message, privateKey);
  const openssl = rate(() => void verify(null, message, publicKey, signature));
  const signed = signAll(vouches);
  const rows: Row[] = [
    { what: "Ed25519, raw, one core: OpenSSL", value: perSecond(openssl), ratio: "reference" },
    {
      what: "Ed25519, raw, one core: the verdict of core, libsodium",
      value: perSecond(rate(() => void verdict(signed[0]!))),
      ratio: "reference",
    },
  ];
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-append-"));
  try {
    const open = (name: string): Promise<LogStore> =>
      openSqliteStore(join(folder, `${name}.db`), { mustExist: false, thread: true });
    const row = (what: string, { perSecond: value, ofRaw }: Measured, goal?: string): Row => ({
      what: `${what}, batch ${BATCH}`,
      value: `${Math.round(value).toLocaleString("en-US")}/s`,
      ratio: `${ofRaw.toFixed(2)} × raw libsodium beside it`,
      ...(goal === undefined ? {} : { goal }),
    });
    const ofSignature = ({ candidate, ...rest }: Signed): Promise<Candidate> => {
      if (!verdict(rest)) throw new Error("a signature does not hold");
      return Promise.resolve(candidate);
    };
    const ofStatement = async ({ bytes }: Vouch): Promise<Candidate> =>
      toCandidate(await verifyStatement(bytes, { keysOf: "any" }));
    const raw = (): number => rate(() => void verdict(signed[0]!), { rounds: 1, ms: 150 }).perSecond;
    rows.push(
      row(
        "SQLite FULL: signature checked, in the tree, on disk",
        await inBatches(await open("a"), signed, ofSignature, raw),
        "≥ 0.80 × raw",
      ),
      row(
        "SQLite FULL: the whole statement verified (JSON, form, schema, proof)",
        await inBatches(await open("b"), vouches, ofStatement, raw),
      ),
    );
    await using server = await startPostgres();
    const store = await openPostgresStore(await server.database("bench"), { mustExist: false });
    rows.push(
      row(
        "PostgreSQL: signature checked, in the tree, on disk",
        await inBatches(store, signed, ofSignature, raw),
        "≥ 0.60 × raw",
      ),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

/** How many vouches {@link appendRows} takes. */
export const appendStatements: number = (WARM + ROUNDS * ROUND) * BATCH;

function verdict({ key, message, signature }: Omit<Signed, "candidate">): boolean {
  return verifySignature(key, message, signature);
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

interface Measured {
  readonly perSecond: number;
  readonly ofRaw: number;
}

/** Batches that are checked and wait for the disk, at most; a registry's pool holds forty of them. */
const AHEAD = 8;

/** What comes is checked while what came before is on its way to the disk, as in a registry. */
async function inBatches<T>(
  store: LogStore,
  items: readonly T[],
  check: (item: T) => Promise<Candidate>,
  raw: () => number,
): Promise<Measured> {
  await using owned = store;
  const tree = new TreeWriter(owned, TileEdge.empty());
  let at = 0;
  const run = async (batches: number): Promise<number> => {
    const start = performance.now();
    const writing: Promise<unknown>[] = [];
    for (const end = at + batches * BATCH; at < end; at += BATCH) {
      const batch: Candidate[] = [];
      for (const item of items.slice(at, at + BATCH)) {
        batch.push(await check(item));
        if (batch.length % 20 === 0) await setImmediate(); // as a server does, which hears of other things too
      }
      const before = writing.at(-1) ?? Promise.resolve();
      writing.push(before.then(() => tree.commit(batch, (...write) => owned.append(...write))));
      if (writing.length > AHEAD) await writing.shift();
    }
    await Promise.all(writing);
    return (batches * BATCH * 1_000) / (performance.now() - start);
  };
  await run(WARM);
  const rounds: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = raw();
    const value = await run(ROUND);
    rounds.push({ perSecond: value, ofRaw: (2 * value) / (before + raw()) });
  }
  if ((await owned.head()).size !== at) throw new Error("not all of it is in the log");
  return rounds.sort((a, b) => a.ofRaw - b.ofRaw)[ROUNDS >> 1]!;
}
