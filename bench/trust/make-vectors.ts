/**
 * Writes test/vectors/trust.json: `node bench/trust/make-vectors.ts`. Run when the definition changes, not when a test
 * fails; test/trust-vectors.test.ts checks the numbers against a second, plain implementation.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { identityFromSeed } from "../../core/src/did/identity.ts";
import { sha256, sha256Hex } from "../../core/src/encoding/sha256.ts";
import { publish } from "../../core/src/trust/metric.ts";
import { explainTrust } from "../../core/src/trust/explain.ts";
import { scoreVector } from "../../core/src/trust/flow.ts";
import { buildTrustGraph, type VouchFields } from "../../core/src/trust/graph.ts";
import { markVerified } from "../../core/src/verified.ts";
import { randomFrom } from "./random.ts";

/** [issuer, subject, confidence, scope, validFrom], agents by number. */
type Line = readonly [number, number, number, string?, number?];

const dids = Array.from({ length: 40 }, (_, i) => identityFromSeed(sha256(`peerage trust vector agent ${i}`)).did);
const start = 1_795_000_000;

function vouch([issuer, subject, confidence, scope = "tools", validFrom = start]: Line): VouchFields {
  const text = JSON.stringify([issuer, subject, confidence, scope, validFrom]);
  return {
    id: `sha256:${sha256Hex(text)}`,
    issuer: dids[issuer]!,
    subject: dids[subject]!,
    scope: scope.split(" "),
    confidence,
    validFrom,
    validUntil: validFrom + 90 * 86_400,
  };
}

function valid(comment: string, roots: readonly number[], lines: readonly Line[], explain?: number): object {
  const vouches = lines.map(vouch);
  const graph = buildTrustGraph(
    vouches.map((fields) => markVerified({ ...fields })),
    { scope: "tools" },
  );
  const rootDids = roots.map((root) => dids[root]!);
  const vector = scoreVector(graph, rootDids);
  const parties = [...new Set([...vouches.flatMap(({ issuer, subject }) => [issuer, subject]), ...rootDids])].sort();
  const { provenance, contributions, evidence, independentVouchers, holdsUp } = explainTrust(graph, {
    roots: rootDids,
    target: dids[explain ?? 0]!,
  });
  const explanation = {
    target: dids[explain ?? 0],
    evidence: publish(evidence),
    contributions: contributions.map(({ voucher, value, chain }) => ({
      voucher,
      value: publish(value),
      chain: [chain[0]!.issuer, ...chain.map(({ subject }) => subject)],
    })),
    independentVouchers,
    holdsUp: holdsUp ? { vouch: holdsUp.vouch, scoreAfter: holdsUp.scoreAfter } : null,
  };
  return {
    comment,
    valid: true,
    scope: "tools",
    roots: rootDids,
    vouches,
    expect: {
      scores: Object.fromEntries(parties.map((did) => [did, vector.score(did)])),
      rootsDigest: provenance.roots,
      edgesDigest: provenance.edges,
      ...(explain === undefined ? {} : { explanation }),
    },
  };
}

function invalid(comment: string, lines: readonly Line[]): object {
  const expect = { error: "ERR_STATEMENT_INVALID" };
  return { comment, valid: false, scope: "tools", roots: [dids[0]], vouches: lines.map(vouch), expect };
}

const stages = (count: number): Line[] =>
  Array.from({ length: count }, (_, stage) => stage).flatMap((stage): Line[] =>
    [1 + 2 * stage, 2 + 2 * stage].flatMap((subject): Line[] =>
      stage === 0
        ? [[0, subject, 100]]
        : [
            [2 * stage - 1, subject, 100],
            [2 * stage, subject, 90],
          ],
    ),
  );
const fans = (hub: number, first: number, last: number, confidence: number): Line[] =>
  Array.from({ length: last - first + 1 }, (_, i): Line => [hub, first + i, confidence]);

function scattered(): Line[] {
  const random = randomFrom(77);
  const lines = new Map<string, Line>();
  while (lines.size < 160) {
    const line: Line = [Math.floor(random() * 30), Math.floor(random() * 30), 1 + Math.floor(random() * 100)];
    if (line[0] !== line[1]) lines.set(`${line[0]} ${line[1]}`, line);
  }
  return [...lines.values()];
}

const cases = [
  valid("no vouches at all: the root has 1, everybody else is unknown", [0], []),
  valid("a root's word counts in full", [0], [[0, 1, 80]], 1),
  valid(
    "one voucher who is no root passes 0.7 of its power on, and the agent it lets in has none",
    [0],
    [
      [0, 1, 90],
      [1, 2, 100],
      [2, 3, 100],
    ],
    2,
  ),
  valid(
    "two vouchers give power: the larger contribution is left out of it",
    [0],
    [
      [0, 1, 100],
      [0, 2, 80],
      [1, 3, 100],
      [2, 3, 60],
      [3, 4, 100],
    ],
    4,
  ),
  valid(
    "contributions add up and the score is capped at 1",
    [0],
    [
      [0, 1, 100],
      [0, 2, 100],
      [1, 3, 100],
      [2, 3, 100],
      [0, 3, 50],
    ],
    3,
  ),
  valid("an agent with 36 full vouches divides what it has", [0], [[0, 1, 100], ...fans(1, 2, 37, 100)], 2),
  valid(
    "dilution counts weight, not vouches: 36 vouches of 50 are not diluted",
    [0],
    [[0, 1, 100], ...fans(1, 2, 37, 50)],
    2,
  ),
  valid("a root is never diluted", [0], fans(0, 1, 36, 100), 1),
  valid("trust goes six hops and no further", [0], stages(8), 11),
  valid(
    "a cycle through powered agents passes on what they have, a self-vouch does not",
    [0],
    [
      [0, 1, 60],
      [0, 2, 60],
      [1, 2, 100],
      [2, 1, 100],
      [1, 1, 100],
    ],
    1,
  ),
  valid(
    "several roots, one vouched for by another and one in no vouch: a root receives nothing",
    [0, 1, 9],
    [
      [0, 1, 50],
      [1, 2, 70],
      [0, 2, 20],
      [2, 3, 90],
    ],
    3,
  ),
  valid(
    "only vouches that cover the scope count",
    [0],
    [
      [0, 1, 90, "code"],
      [0, 2, 90, "code tools"],
      [2, 3, 80, "tools.read"],
      [2, 4, 80],
    ],
    4,
  ),
  valid(
    "of several vouches of one pair the newest counts",
    [0],
    [
      [0, 1, 90, "tools", start],
      [0, 1, 40, "tools", start + 5],
    ],
    1,
  ),
  valid(
    "of two different newest vouches of one pair neither counts",
    [0],
    [
      [0, 1, 90, "tools", start],
      [0, 1, 40, "tools", start + 5],
      [0, 1, 70, "tools", start + 5],
    ],
  ),
  valid(
    "fakes who vouch for one another behind one fooled agent: one gets in",
    [0],
    [
      [0, 1, 100],
      [1, 2, 100],
      ...[2, 3, 4, 5].flatMap((i) => [2, 3, 4, 5].filter((j) => j !== i).map((j): Line => [i, j, 100])),
    ],
    2,
  ),
  valid(
    "the same behind two fooled agents: the first fake has power, bounded by what it was given",
    [0],
    [[0, 1, 100], [0, 6, 100], [1, 2, 100], [6, 2, 100], ...fans(2, 7, 38, 100)],
    7,
  ),
  valid("160 vouches among 30 agents from two roots", [3, 17], scattered(), 8),
  invalid("a confidence of 0", [[0, 1, 0]]),
  invalid("a confidence above 100", [[0, 1, 101]]),
  invalid("a confidence that is no integer", [[0, 1, 50.5]]),
];

const file = resolve(import.meta.dirname, "../../test/vectors/trust.json");
const comment =
  "Trust scores by docs/trust.md: mu 0.7, K 30, L 6. scores: six decimals or unknown. rootsDigest: SHA-256 of the JSON " +
  "array of the sorted roots. edgesDigest: SHA-256 over the 32-byte ids of the counted vouches, ascending. validity in time is not tested here.";
writeFileSync(file, JSON.stringify({ comment, cases }, null, 1) + "\n");
