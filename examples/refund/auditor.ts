/**
 * An auditor, who was given one file and the DID of the guard, and trusts nobody else: `node auditor.ts <export> <did>`.
 * Says of each refund that was executed by whose signatures it was, and ends with 1 if one was not as it must be.
 */
import { readFileSync } from "node:fs";
import { type Digest, type Entry, parseDid, verifyHistory } from "@peerage/core";
import { type AuditExport, type DecisionBody, verifyExport } from "@peerage/mcp-middleware";

const [path = "", did = ""] = process.argv.slice(2);
const guard = parseDid(did);
const found = await verifyExport(readFileSync(path, "utf8"), { guard });
if (found.defect) {
  process.stderr.write(`record #${found.defect.seq}: ${found.defect.kind}\n`);
  process.exit(1);
}

/** A refund that was executed, and the steps that let it be. */
interface Proven {
  readonly req: string;
  readonly rule: string;
  readonly chain: readonly {
    readonly step: string;
    readonly result: string;
    readonly by: string;
    readonly at: string;
  }[];
}

const ran = new Set(
  found.records.flatMap((one) => (one.kind === "outcome" && one.outcome === "executed" ? [one.id] : [])),
);
const proven = found.records.flatMap((record): Proven[] => {
  if (record.kind !== "decision" || !ran.has(record.id) || record.target !== "payments.refund") return [];
  return [prove(record, found)];
});
process.stdout.write(`${JSON.stringify({ records: found.size, signed: found.signed, proven })}\n`);

function prove(decision: DecisionBody, { entries }: AuditExport): Proven {
  const { caller, req, rule = "", evidence = [], at, input, policy } = decision;
  const entry = (digest: Digest): Entry => {
    const one = entries.get(digest);
    if (!one) throw new Error(`the entry ${digest} is not in the file`);
    return one;
  };
  // The run, whole, as the guard verified it before the call went on.
  const presented = (input?.history ?? []).map((digest) => entry(digest).token);
  const referred = new Set(presented.flatMap((_, i) => entry((input?.history ?? [])[i] as Digest).prev));
  const head = (input?.history ?? []).filter((digest) => !referred.has(digest));
  const history = verifyHistory(presented, head, { now: new Date(at) });
  if (history?.entries[0]?.issuer !== caller?.did) throw new Error("somebody else began this run");

  const counted = evidence.map(entry);
  for (const one of counted)
    if (one.issuedAt * 1000 > Date.parse(at)) throw new Error("an entry is younger than the call");
  for (const approval of counted.filter(({ step }) => step === "human_approval")) {
    const { sub, audience, issuer, expiresAt = 0 } = approval;
    const isBound =
      approval.req === req && audience === guard && sub?.["caller"] === caller?.did && sub?.["policy"] === policy;
    if (!isBound || expiresAt * 1000 <= Date.parse(at)) throw new Error("the approval is not of this call");
    if (issuer === caller?.did) throw new Error("the agent approved itself");
  }
  const chain = counted.map(({ step, result, issuer, issuedAt }) => {
    return { step, result, by: issuer, at: new Date(issuedAt * 1000).toISOString() };
  });
  return { req: req ?? "", rule, chain };
}
