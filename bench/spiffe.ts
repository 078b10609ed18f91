/**
 * What verification of SPIFFE identities costs. A chain is leaf, intermediate and root; "fresh" means that nobody has
 * seen any of its certificates but the root, and its raw checks are the two signatures with keys that are ready.
 */
import { verify } from "node:crypto";
import { generateIdentity, parseCallProof, signCall } from "@peerage/core";
import { parseCertificate } from "../mcp-middleware/src/spiffe/certificate.ts";
import { GuardSpiffe } from "../mcp-middleware/src/spiffe/guard-spiffe.ts";
import { bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { authority, bundleOf, identityOf, type Issued, leaf, lookup, newKey, NOW } from "../test/_spiffe.ts";
import type { Goal, Measurement } from "./lib/figures.ts";
import { at, cpuMs, measured, type Scale } from "./lib/measure.ts";

/** Chains that are verified before anything counts, so often: a guard has been running, and what is measured is compiled code. */
const WARM_UP = 60;
const TURNS = 5;

interface Plan {
  readonly rounds: number;
  /** Chains in a round. */
  readonly each: number;
}

export async function benchSpiffe(scale: Scale): Promise<Measurement[]> {
  const plan = at(scale, { quick: { rounds: 2, each: 10 }, normal: { rounds: 8, each: 30 } });
  return [...(await measure("P-256", plan)), ...(await measure("P-384", plan))];
}

async function measure(kind: "P-256" | "P-384", { rounds, each }: Plan): Promise<Measurement[]> {
  const root = await authority("a.test", { key: newKey(kind) });
  const bundles = lookup({ "a.test": bundleOf(root) });
  const chains: Issued[][] = [];
  for (let i = 0; i < rounds * each + WARM_UP; i++) {
    const middle = await authority("a.test", { issuer: root, key: newKey(kind) });
    chains.push([await leaf(middle, `spiffe://a.test/${String(i)}`, { key: newKey(kind) }), middle, root]);
  }
  const ders = chains.map((chain) => chain.map(({ der }) => der));
  const parsed = ders.map((chain) => chain.map(parseCertificate));
  for (const certificate of parsed.flat()) certificate.publicKey();

  const check = (i: number): void => {
    for (const child of [0, 1]) {
      const [own, above] = [parsed[i]![child]!, parsed[i]![child + 1]!];
      if (!verify("sha256", own.tbs, above.publicKey(), own.signature)) throw new Error("a signature does not hold");
    }
  };
  const chain = (i: number): unknown => verifyX509Svid(ders[i]!, bundles, NOW);
  // Under another bundle a known chain is verified anew, and every way through is compiled before it counts.
  const other = lookup({ "a.test": bundleOf(root, await authority("a.test", { key: newKey(kind) })) });
  for (let turn = 0; turn < TURNS; turn++) {
    for (let i = 0; i < WARM_UP; i++) {
      check(i);
      verifyX509Svid(ders[i]!, other, NOW);
      chain(i);
      chain(i);
    }
  }
  const me = generateIdentity();
  const proof = parseCallProof(await signCall(me, { audience: "did:guard", message: { method: "ping" }, now: NOW }));
  const [own, middle] = chains[0] as [Issued, Issued];
  const svid = identityOf(own, middle);
  const bindings = await Promise.all(chains.map(async () => (await bindX509(me, svid, { now: NOW })).value));
  const guard = new GuardSpiffe({ bundles });
  const bind = (i: number): unknown => guard.verify({ binding: bindings[i], audiences: new Set(), now: NOW }, proof);
  for (let i = 0; i < WARM_UP; i++) bind(i);
  const parse = (i: number): unknown => parseCertificate(ders[i]![0]!);
  const actions = { parse, raw: check, fresh: chain, cached: chain, bindFresh: bind, bindCached: bind };
  const taken = Object.fromEntries(Object.keys(actions).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    const from = WARM_UP + round * each;
    for (const [name, action] of Object.entries(actions)) {
      const ms = cpuMs(() => {
        for (let i = from; i < from + each; i++) action(i);
      });
      taken[name]!.push((ms * 1_000) / each);
    }
  }
  const id = (name: string): string => `spiffe/${kind.toLowerCase()}-${name}`;
  const row = (name: string, what: string, rounds: readonly number[], goal?: Goal): Measurement =>
    measured(id(name), `${kind}: ${what}`, "µs", rounds, {
      ...(name === "raw" ? {} : { beside: id("raw") }),
      ...(goal && { goal }),
    });
  return [
    row("raw", "the two raw signature checks of a chain of three", taken["raw"]!),
    row("parse", "parse a certificate", taken["parse"]!),
    row("fresh", "verify a fresh chain of three", taken["fresh"]!, { of: "ratio", atMost: 1.5 }),
    row("cached", "verify a cached chain", taken["cached"]!, { of: "value", atMost: 20 }),
    row("bind-fresh", "verify a fresh binding, cached chain", taken["bindFresh"]!),
    row("bind-cached", "verify a cached binding", taken["bindCached"]!),
  ];
}

if (import.meta.main) {
  process.argv.splice(2, 0, "--only", "spiffe");
  await import("./main.ts");
}
