import { createHash, createPrivateKey, createPublicKey, sign as signBytes } from "node:crypto";
import { join } from "node:path";
import { base58btc } from "multiformats/bases/base58";
import {
  canonicalize,
  type Did,
  formatTime,
  type Identity,
  leafHash,
  type MultibaseKey,
  TileEdge,
} from "../core/src/index.ts";
import { addProof } from "../core/src/statement/data-integrity.ts";
import { STATEMENT_CONTEXT } from "../core/src/statement/schema.ts";
import { openRegistry } from "../registry/src/index.ts";
import { kindCodes } from "../registry/src/store/kinds.ts";
import type { StoredEntry } from "../registry/src/store/log-store.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";

/** Who is in a network, and who vouches for whom: numbers of `identities`. */
export interface LargeNetwork {
  readonly identities: readonly Identity[];
  /** Two who vouch for the same hubs in every community. */
  readonly roots: readonly Did[];
  readonly pairs: readonly (readonly [from: number, to: number])[];
}

const BATCH = 5_000;
const LIFE_SECONDS = 90 * 86_400;

/**
 * Communities with hubs and a few bridges, in which every agent takes part. The same numbers always make the same
 * network, and the agents of a small one are the first of a larger one.
 */
export function largeNetwork(agents: number, communities: number): LargeNetwork {
  let i = 0;
  const random = (): number => createHash("sha256").update(`bench ${i++}`).digest().readUInt32BE(0) / 2 ** 32;
  const pairs = new Map<string, readonly [number, number]>();
  const vouch = (from: number, to: number): unknown => from !== to && pairs.set(`${from} ${to}`, [from, to]);
  const each = agents / communities;
  for (let n = 0; n < agents; n++) {
    const start = Math.floor(Math.floor(n / each) * each);
    const peer = (): number => Math.min(agents - 1, start + Math.floor(random() ** 2 * each));
    vouch(peer(), n);
    vouch(n, peer());
    if (random() < 0.6) vouch(n, peer());
    if (random() < 0.1) vouch(n, Math.floor(random() * agents));
  }
  // Whom two roots vouch for can pass trust on, so that most of every community has a score.
  for (let c = 0; c < communities; c++) {
    for (const root of [0, 1]) for (const hub of [0, 1, 2]) vouch(root, Math.floor(c * each) + hub);
  }
  const identities = Array.from({ length: agents }, (_, n) => largeNetworkIdentity(n));
  return { identities, roots: identities.slice(0, 2).map(({ did }) => did), pairs: [...pairs.values()] };
}

const ed25519 = Buffer.from([0xed, 0x01]);
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** One agent of such a network, made and signing by OpenSSL: a hundred thousand of them take seconds. */
export function largeNetworkIdentity(n: number): Identity {
  const seed = createHash("sha256").update(`bench agent ${n}`).digest();
  const key = createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: "der", type: "pkcs8" });
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  // Core's own function looks at the point first, as it must with a stranger's key: 1.5 ms each.
  const multibase = base58btc.encode(Buffer.concat([ed25519, raw])) as MultibaseKey;
  const did: Did = `did:key:${multibase}`;
  return { did, kid: `${did}#${multibase}`, sign: (bytes) => signBytes(null, bytes, key) };
}

/**
 * Makes a registry's folder that holds the vouches of a network, signed as any others are. They are written beside the
 * registry, which checks their tree when it opens: so a network of 100,000 agents is there in a minute or two.
 */
export async function writeLargeNetwork(
  dataDir: string,
  { identities, pairs }: LargeNetwork,
  now: Date = new Date(),
): Promise<void> {
  // The registry itself makes its keys and its tables.
  await (await openRegistry({ dataDir }))[Symbol.asyncDispose]();
  await using store = await openSqliteStore(join(dataDir, "registry.db"), { mustExist: true });
  const edge = TileEdge.empty();
  const from = Math.floor(now.getTime() / 1_000) - 60;
  for (let at = 0; at < pairs.length; at += BATCH) {
    const some = pairs.slice(at, at + BATCH);
    const entries = await Promise.all(
      some.map(([a, b], i) => entryOf(identities[a]!, identities[b]!.did, from, at + i)),
    );
    const old = { size: edge.size, root: edge.root() };
    const tiles = entries.flatMap(({ leaf }) => edge.append(leaf));
    await store.append(entries, tiles, old, { size: edge.size, root: edge.root() });
  }
}

async function entryOf(issuer: Identity, subject: Did, from: number, index: number): Promise<StoredEntry> {
  const document = {
    "@context": STATEMENT_CONTEXT,
    type: ["VerifiableCredential", "Vouch"],
    issuer: issuer.did,
    validFrom: formatTime(from),
    validUntil: formatTime(from + LIFE_SECONDS),
    credentialSubject: { id: subject, scope: ["tools"], confidence: 40 + ((index * 37) % 55) },
  };
  const proof = await addProof(issuer, document, { verificationMethod: issuer.kid, created: formatTime(from) });
  const body = Buffer.from(canonicalize({ ...document, proof }));
  const id = createHash("sha256").update(canonicalize(document)).digest();
  return { index, id, leaf: leafHash(body), kind: kindCodes.Vouch, issuer: issuer.did, subject, target: null, body };
}
