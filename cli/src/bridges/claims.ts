import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../context.ts";
import { readBook, writeBook } from "../files/book.ts";
import type { AipClaim, AipIdentity } from "./aip/document.ts";

/** A vouch that somebody gave in another system, as it was imported. */
export interface KeptClaim {
  readonly voucher: string;
  readonly target: string;
  readonly scope: string;
  readonly statement: string;
  readonly level?: number | undefined;
  readonly created?: string | undefined;
  readonly expires?: string | undefined;
  readonly id?: string | undefined;
  /** The members that its voucher signed. */
  readonly signed: readonly string[];
  /** The members that nobody signed, or that cannot be tied to the voucher. */
  readonly unverifiable: readonly string[];
}

/** An agent of another system. `key` is its did:key, where its DID proves it; `name` is its own word. */
export interface KeptAgent {
  readonly did: string;
  readonly key?: string | undefined;
  readonly name?: string | undefined;
}

/** What others said in another system, as it was imported. */
export interface ImportedClaims {
  readonly v: 1;
  readonly agents: readonly KeptAgent[];
  readonly claims: readonly KeptClaim[];
}

const short = z.string().max(2_000);
const optional = short.optional();
const fields = { voucher: short, target: short, scope: short, statement: short, level: z.number().optional() };
const times = { created: optional, expires: optional, id: optional };
const claim = z.strictObject({ ...fields, ...times, signed: z.array(short), unverifiable: z.array(short) });
const agent = z.strictObject({ did: short, key: optional, name: optional });
const form: z.ZodType<ImportedClaims> = z.strictObject({
  v: z.literal(1),
  agents: z.array(agent).max(10_000),
  claims: z.array(claim).max(10_000),
});

const MAX_KEPT = 10_000;

/**
 * What was imported from other systems: a file of its own, which nothing that scores, decides or vouches ever reads.
 */
export async function readClaims(context: Context): Promise<ImportedClaims> {
  return (await readBook(pathOf(context), form)) ?? { v: 1, agents: [], claims: [] };
}

/** Adds what was found, in place of what is known of the same; the oldest give way. */
export async function keepClaims(
  context: Context,
  identities: readonly AipIdentity[],
  found: readonly AipClaim[],
): Promise<void> {
  const before = await readClaims(context);
  const agents = new Map(before.agents.map((one) => [one.did, one]));
  for (const { did, key, name } of identities) {
    const known = agents.get(did);
    agents.set(did, { did, ...known, ...(key === undefined ? {} : { key }), ...(name === undefined ? {} : { name }) });
  }
  const claims = new Map(before.claims.map((one) => [nameOf(one), one]));
  for (const { vouch, signed, unverifiable } of found) {
    const one = keptClaim({ vouch, signed, unverifiable });
    // What is signed is never replaced by what only says the same.
    if ((claims.get(nameOf(one))?.signed.length ?? 0) <= signed.length) claims.set(nameOf(one), one);
  }
  await writeBook(pathOf(context), {
    v: 1,
    agents: [...agents.values()].slice(-MAX_KEPT),
    claims: [...claims.values()].slice(-MAX_KEPT),
  });
}

/** A claim without keys and signature: which of its members were signed was told when it was read. */
export function keptClaim({ vouch, signed, unverifiable }: AipClaim): KeptClaim {
  const { voucherKey: _, targetKey: __, signature: ___, form: ____, ...said } = vouch;
  return { ...said, signed, unverifiable };
}

function nameOf({ voucher, target, scope, statement }: KeptClaim): string {
  return JSON.stringify([voucher, target, scope, statement]);
}

function pathOf(context: Context): string {
  return join(context.paths.data, "claims.json");
}
