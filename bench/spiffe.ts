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
import { machine, median, printSection, type Row, type Section } from "./report.ts";

const ROUNDS = 400;
/** Chains that are verified before the clock runs: what is measured is a guard that has been running. */
const WARM_UP = 100;

/** Microseconds of one call. */
function timed(run: () => unknown): number {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start) / 1e3;
}

/** Median microseconds; call `i` gets its own material. */
function medianOf(run: (i: number) => unknown): number {
  return median(Array.from({ length: ROUNDS }, (_, i) => timed(() => run(i + WARM_UP))));
}

async function measure(kind: "P-256" | "P-384"): Promise<Row[]> {
  const root = await authority("a.test", { key: newKey(kind) });
  const bundles = lookup({ "a.test": bundleOf(root) });
  const chains: Issued[][] = [];
  for (let i = 0; i < ROUNDS + WARM_UP; i++) {
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
  for (let i = 0; i < WARM_UP; i++) {
    check(i);
    chain(i);
  }
  // One after the other for each chain, so that whatever else runs on this machine disturbs both alike.
  const pairs = Array.from({ length: ROUNDS }, (_, i) => [
    timed(() => check(i + WARM_UP)),
    timed(() => chain(i + WARM_UP)),
  ]);
  const [raw, fresh] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!))) as [number, number];

  const me = generateIdentity();
  const proof = parseCallProof(await signCall(me, { audience: "did:guard", message: { method: "ping" }, now: NOW }));
  const [own, middle] = chains[0] as [Issued, Issued];
  const svid = identityOf(own, middle);
  const bindings = await Promise.all(chains.map(async () => (await bindX509(me, svid, { now: NOW })).value));
  const guard = new GuardSpiffe({ bundles });
  const bind = (i: number): unknown => guard.verify({ binding: bindings[i], audiences: new Set(), now: NOW }, proof);
  for (let i = 0; i < WARM_UP; i++) bind(i);
  const row = (what: string, value: number, more: Partial<Row> = {}): Row => {
    return { what: `${kind}: ${what}`, value: `${value.toFixed(1)} µs`, ...more };
  };
  return [
    row(
      "parse a certificate",
      medianOf((i) => parseCertificate(ders[i]![0]!)),
    ),
    row("the two raw signature checks of a chain of three", raw, { ratio: "reference" }),
    row("verify a fresh chain of three", fresh, { ratio: `${(fresh / raw).toFixed(2)} × raw`, goal: "≤ 1.5 × raw" }),
    row("verify a cached chain", medianOf(chain), { goal: "< 20 µs" }),
    row("verify a fresh binding, cached chain", medianOf(bind)),
    row("verify a cached binding", medianOf(bind)),
  ];
}

export async function benchSpiffe(): Promise<Section> {
  const rows = [...(await measure("P-256")), ...(await measure("P-384"))];
  return { title: `SPIFFE, one core, medians of ${String(ROUNDS)}`, rows };
}

if (process.argv[1] === import.meta.filename) {
  const section = await benchSpiffe();
  if (process.argv.includes("--json")) console.log(JSON.stringify({ machine: machine(), sections: [section] }));
  else {
    console.log(`## Peerage bench\n\n${machine()}`);
    printSection(section);
  }
}
