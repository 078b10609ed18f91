/**
 * What verification of SPIFFE identities costs: `node bench/spiffe.ts [--json]`. A chain is leaf, intermediate and root;
 * "fresh" means that nobody has seen any of its certificates but the root, and its raw checks are the two signatures.
 */
import { verify } from "node:crypto";
import { parseArgs } from "node:util";
import { generateIdentity, parseCallProof, signCall } from "@peerage/core";
import { GuardSpiffe } from "../mcp-middleware/src/spiffe/guard-spiffe.ts";
import { parseCertificate } from "../mcp-middleware/src/spiffe/certificate.ts";
import { bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { authority, bundleOf, identityOf, type Issued, leaf, lookup, newKey, NOW } from "../test/_spiffe.ts";
import { machine } from "./report.ts";

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const ROUNDS = 400;

/** Median of one call, in milliseconds; call `i` gets its own material. */
function median(run: (i: number) => unknown): number {
  const times = Array.from({ length: ROUNDS }, (_, i) => {
    const start = process.hrtime.bigint();
    run(i);
    return Number(process.hrtime.bigint() - start) / 1e6;
  });
  return times.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

async function measure(kind: "P-256" | "P-384"): Promise<Record<string, number>> {
  const root = await authority("a.test", { key: newKey(kind) });
  const bundles = lookup({ "a.test": bundleOf(root) });
  const chains: Issued[][] = [];
  for (let i = 0; i < ROUNDS; i++) {
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
  const me = generateIdentity();
  const proof = parseCallProof(await signCall(me, { audience: "did:guard", message: { method: "ping" }, now: NOW }));
  const [own, middle] = chains[0] as [Issued, Issued];
  const svid = identityOf(own, middle);
  const bindings = await Promise.all(chains.map(async () => (await bindX509(me, svid, { now: NOW })).value));
  const guard = new GuardSpiffe({ bundles });
  const bind = (i: number): unknown => guard.verify({ binding: bindings[i], audiences: new Set(), now: NOW }, proof);
  const chain = (i: number): unknown => verifyX509Svid(ders[i]!, bundles, NOW);
  const parse = median((i) => parseCertificate(ders[i]![0]!));
  const raw = median(check);
  const fresh = median(chain);
  return { parse, raw, fresh, cached: median(chain), bindingFresh: median(bind), bindingCached: median(bind) };
}

const results = { "P-256": await measure("P-256"), "P-384": await measure("P-384") };
if (values.json) console.log(JSON.stringify(results));
else {
  console.log(`## SPIFFE bench\n\n${machine()}\n\nMedians in milliseconds of ${String(ROUNDS)} calls.\n`);
  console.log(
    "| keys | parse one | raw checks | fresh chain | × raw | cached chain | fresh binding | cached binding |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const [kind, row] of Object.entries(results)) {
    const { parse = 0, raw = 0, fresh = 0, cached = 0, bindingFresh = 0, bindingCached = 0 } = row;
    const cells = [parse, raw, fresh].map((ms) => ms.toFixed(4));
    const rest = [cached, bindingFresh, bindingCached].map((ms) => ms.toFixed(4));
    console.log(`| ${[kind, ...cells, (fresh / raw).toFixed(2), ...rest].join(" | ")} |`);
  }
}
