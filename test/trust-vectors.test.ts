import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseDid } from "../core/src/did/did-key.ts";
import { explainTrust } from "../core/src/trust/explain.ts";
import { formatScore, publish } from "../core/src/trust/metric.ts";
import { buildTrustGraph, type VouchFields } from "../core/src/trust/graph.ts";
import { trustScore } from "../core/src/trust/score.ts";
import { markVerified } from "../core/src/verified.ts";
import type { Did } from "../core/src/did/did-key.ts";
import { plainEvidence } from "./_trust.ts";

interface Case {
  comment: string;
  valid: boolean;
  scope: string;
  roots: Did[];
  vouches: VouchFields[];
  expect: {
    error?: string;
    scores: Record<string, number | "unknown">;
    rootsDigest: string;
    edgesDigest: string;
    explanation?: {
      target: string;
      evidence: number;
      contributions: { voucher: string; value: number; chain: string[] }[];
      independentVouchers: number;
      holdsUp: { vouch: string; scoreAfter: number | "unknown" } | null;
    };
  };
}

const file = resolve(import.meta.dirname, "vectors/trust.json");
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };
const verified = (vouches: readonly VouchFields[]) => vouches.map((vouch) => markVerified({ ...vouch }));

describe("the golden vectors of the trust score", () => {
  it("are all there, with DIDs that are acceptable", () => {
    expect([cases.filter((c) => c.valid).length, cases.filter((c) => !c.valid).length]).toEqual([17, 3]);
    for (const { roots } of cases) roots.forEach((root) => expect(parseDid(root)).toBe(root));
  });

  it.each(cases.filter((c) => c.valid).map((c) => [c.comment, c] as const))("A-TRUST-08 %s", (_, vector) => {
    const graph = buildTrustGraph(verified(vector.vouches), { scope: vector.scope });
    for (const [target, score] of Object.entries(vector.expect.scores)) {
      const answer = trustScore(graph, { roots: vector.roots, target });
      expect(answer.score).toBe(score);
      expect(answer.provenance.roots).toBe(vector.expect.rootsDigest);
      expect(answer.provenance.edges).toBe(vector.expect.edgesDigest);
    }
    const { explanation } = vector.expect;
    if (!explanation) return;
    const found = explainTrust(graph, { roots: vector.roots, target: explanation.target });
    expect(publish(found.evidence)).toBe(explanation.evidence);
    expect(found.independentVouchers).toBe(explanation.independentVouchers);
    expect(found.holdsUp ? { vouch: found.holdsUp.vouch, scoreAfter: found.holdsUp.scoreAfter } : null).toEqual(
      explanation.holdsUp,
    );
    expect(
      found.contributions.map(({ voucher, value, chain }) => ({
        voucher,
        value: publish(value),
        chain: [chain[0]!.issuer, ...chain.map(({ subject }) => subject)],
      })),
    ).toEqual(explanation.contributions);
  });

  it.each(cases.filter((c) => c.valid).map((c) => [c.comment, c] as const))(
    "agree with a plain second reading: %s",
    (_, vector) => {
      const agents = [...new Set([...vector.vouches.flatMap((v) => [v.issuer, v.subject]), ...vector.roots])].sort();
      const counted = vector.vouches.filter(
        (v) =>
          v.scope.includes(vector.scope) &&
          v.issuer !== v.subject &&
          vector.vouches.every(
            (o) => o === v || o.issuer !== v.issuer || o.subject !== v.subject || o.validFrom < v.validFrom,
          ),
      );
      const { evidence } = plainEvidence({
        agents: agents.length,
        roots: vector.roots.map((root) => agents.indexOf(root)),
        edges: counted.map((v) => ({
          issuer: agents.indexOf(v.issuer),
          subject: agents.indexOf(v.subject),
          confidence: v.confidence,
        })),
      });
      agents.forEach((did, i) => {
        const plain = vector.roots.includes(did)
          ? 1
          : evidence[i]! === 0
            ? ("unknown" as const)
            : Math.min(1, evidence[i]!);
        expect(formatScore(plain)).toBe(formatScore(vector.expect.scores[did]!));
      });
    },
  );

  it.each(cases.filter((c) => !c.valid).map((c) => [c.comment, c] as const))("refuse %s", (_, vector) => {
    expect(() => buildTrustGraph(verified(vector.vouches), { scope: vector.scope })).toThrow(
      expect.objectContaining({ code: vector.expect.error }),
    );
  });
});
