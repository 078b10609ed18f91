/** Batches of 100 whose signatures are checked, on disk one after the other, beside the raw rate of verification. */
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
import type { Goal, Measurement } from "./lib/figures.ts";
import { at, measured, type Scale, wallMs } from "./lib/measure.ts";

const BATCH = 100;

/** A statement whose signature is to be checked over the 64 bytes that `eddsa-jcs-2022` signs. */
interface Signed {
  readonly key: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly candidate: Candidate;
}

/** Batches to warm up with, then in each round that counts. */
export interface AppendPlan {
  readonly warm: number;
  readonly batches: number;
  readonly rounds: number;
}

export function appendPlan(scale: Scale): AppendPlan {
  return at(scale, { quick: { warm: 2, batches: 4, rounds: 2 }, normal: { warm: 12, batches: 16, rounds: 6 } });
}

/** How many vouches {@link appendRows} takes. */
export function statementsFor({ warm, batches, rounds }: AppendPlan): number {
  return (warm + rounds * batches) * BATCH;
}

/**
 * Rows for both drivers; PostgreSQL is a real server on this machine. The raw rate is measured before and after each round,
 * as a shared machine is not the same from one second to the next.
 */
export async function appendRows(vouches: readonly Vouch[], plan: AppendPlan): Promise<Measurement[]> {
  const signed = signAll(vouches);
  const raw = (): Promise<number> => rawRate(signed);
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-append-"));
  try {
    const open = (name: string): Promise<LogStore> =>
      openSqliteStore(join(folder, `${name}.db`), { mustExist: false, thread: true });
    const row = (name: string, what: string, { rates, raws }: Measured, goal?: Goal): Measurement[] => [
      measured(`log/${name}-raw`, "raw rate of libsodium, one core, around the rounds of the next", "/s", raws),
      measured(`log/${name}`, `${what}, batches of ${BATCH}`, "/s", rates, {
        beside: `log/${name}-raw`,
        ...(goal && { goal }),
      }),
    ];
    const ofSignature = ({ candidate, ...rest }: Signed): Promise<Candidate> => {
      if (!verdict(rest)) throw new Error("a signature does not hold");
      return Promise.resolve(candidate);
    };
    const ofStatement = async ({ bytes }: Vouch): Promise<Candidate> =>
      toCandidate(await verifyStatement(bytes, { keysOf: "any" }));
    const signatures = await inBatches(await open("a"), signed, ofSignature, raw, plan);
    const statements = await inBatches(await open("b"), vouches, ofStatement, raw, plan);
    await using server = await startPostgres();
    const store = await openPostgresStore(await server.database("bench"), { mustExist: false });
    const postgres = await inBatches(store, signed, ofSignature, raw, plan);
    return [
      ...row("sqlite", "SQLite FULL: signature checked, in the tree, on disk", signatures, {
        of: "ratio",
        atLeast: 0.8,
      }),
      ...row("sqlite-statements", "SQLite FULL: the whole statement verified (JSON, form, schema, proof)", statements),
      ...row("postgres", "PostgreSQL: signature checked, in the tree, on disk", postgres, {
        of: "ratio",
        atLeast: 0.6,
      }),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Verdicts a second by the clock, as the appends beside them are counted. */
async function rawRate(signed: readonly Signed[]): Promise<number> {
  const count = 3_000;
  const ms = await wallMs(() => {
    for (let i = 0; i < count; i++) verdict(signed[i % signed.length]!);
  });
  return (count * 1_000) / ms;
}

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
  readonly rates: readonly number[];
  readonly raws: readonly number[];
}

/** Batches that are checked and wait for the disk, at most; a registry's pool holds forty of them. */
const AHEAD = 8;

/** What comes is checked while what came before is on its way to the disk, as in a registry. */
async function inBatches<T>(
  store: LogStore,
  items: readonly T[],
  check: (item: T) => Promise<Candidate>,
  raw: () => Promise<number>,
  { warm, batches: each, rounds }: AppendPlan,
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
  await run(warm);
  const [rates, raws]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const before = await raw();
    rates.push(await run(each));
    raws.push((before + (await raw())) / 2);
  }
  if ((await owned.head()).size !== at) throw new Error("not all of it is in the log");
  return { rates, raws };
}
