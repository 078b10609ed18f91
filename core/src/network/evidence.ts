import { z } from "zod";
import { type Did, parseDid } from "../did/did-key.ts";
import { fromBase64 } from "../encoding/base64.ts";
import { utf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import type { JsonValue } from "../json/types.ts";
import type { Vouch } from "../statement/types.ts";
import { verifyStatement } from "../statement/verify.ts";
import { type SignedCheckpoint, verifyCheckpoint } from "../tlog/checkpoint.ts";
import type { CheckpointPolicy } from "../tlog/checkpoint-policy.ts";
import { leafHash, verifyInclusion } from "../tlog/merkle.ts";
import { FLOW, hopsTo } from "../trust/flow-state.ts";
import type { TrustGraph } from "../trust/graph.ts";
import { type TrustScore, trustScore } from "../trust/score.ts";
import { type Logged, StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

/** More vouches than this do not go into one answer: whoever asks follows the log instead. */
export const MAX_EVIDENCE = 1_000;

/** The vouches from which one score can be computed again, each proven to be in the log. JSON. */
export interface ScoreEvidence {
  /** The signed note under which everything is. */
  readonly checkpoint: string;
  readonly statements: readonly {
    readonly index: number;
    /** The leaf, as text. */
    readonly leaf: string;
    /** Inclusion proof: base64 of 32 bytes each. */
    readonly proof: readonly string[];
  }[];
}

/** What a score was asked for. */
export interface ScoreQuestion {
  readonly roots: readonly Did[];
  readonly target: Did;
  readonly scope: string;
}

/**
 * The vouches on which a score depends: all that the agents on some way of at most L hops from a root to the target have
 * given in the scope, because each of them divides what it has among all of its vouches.
 * @param graph - the graph of the scope in this view, if it is at hand
 * @returns in log order; undefined if there are more than {@link MAX_EVIDENCE}, or if one of their issuers has changed its
 *   key: which key stood when is known to who follows the log
 */
export function vouchesBehind(
  view: View,
  { roots, target, scope }: ScoreQuestion,
  graph: TrustGraph = view.graph(scope),
): readonly Logged<Vouch>[] | undefined {
  const issuers = onTheWay(graph, roots, target);
  let count = 0;
  for (const agent of issuers) {
    const { start, end } = graph.edges.outgoing(agent);
    count += end - start;
    if (count > MAX_EVIDENCE) return undefined;
  }
  const found: Logged<Vouch>[] = [];
  for (const agent of issuers) {
    const issuer = graph.did(agent);
    if (view.keysOf(issuer).length > 1) return undefined;
    for (const { id } of graph.vouchesBy(agent)) {
      const logged = view.statement(id);
      if (logged?.statement.kind === "Vouch") found.push(logged as Logged<Vouch>);
    }
  }
  return found.sort((a, b) => a.index - b.index);
}

/** The agents on chains of at most L hops from a root to the target. */
function onTheWay(graph: TrustGraph, roots: readonly Did[], target: Did): number[] {
  const { edges } = graph;
  const end = graph.indexOf(target);
  const starts = roots.map((root) => graph.indexOf(root)).filter((index) => index >= 0);
  if (end < 0 || starts.length === 0) return [];
  const behind = hopsTo(edges, end);
  // Forward only where the target is still near enough, so that a hub that leads elsewhere costs nothing.
  const seen = new Uint8Array(edges.agents);
  const found: number[] = [];
  let ring: number[] = [];
  const visit = (agent: number, distance: number): void => {
    if (seen[agent] || distance + (behind[agent] ?? 255) > FLOW.L) return;
    seen[agent] = 1;
    found.push(agent);
    ring.push(agent);
  };
  for (const start of starts) visit(start, 0);
  for (let hop = 1; hop <= FLOW.L && ring.length > 0; hop++) {
    const before = ring;
    ring = [];
    for (const agent of before) {
      const run = edges.outgoing(agent);
      for (let i = run.start; i < run.end; i++) visit(run.peers[i] ?? 0, hop);
    }
  }
  return found;
}

const answerSchema = z.object({
  from: z.array(z.string()),
  to: z.string(),
  scope: z.string(),
  score: z.number().nullable(),
  status: z.string(),
  evidence: z.object({
    checkpoint: z.string(),
    statements: z
      .array(z.object({ index: z.int().min(0), leaf: z.string(), proof: z.array(z.string()).max(64) }))
      .max(MAX_EVIDENCE),
  }),
});

/** A score that was computed here, over statements that were verified here. */
export interface RecomputedScore extends TrustScore {
  readonly checkpoint: SignedCheckpoint;
  /** The key state that the registry states; a thin client cannot check it, nor that no revocation was left out. */
  readonly status: string;
  /** Vouches that were verified. */
  readonly statements: number;
}

/**
 * Checks a registry's answer to a score question by doing its work again: the checkpoint by the reader's own policy, the
 * inclusion and the proof of every vouch, then the score. What a registry can still do is leave a revocation out; who
 * must exclude that follows the log.
 * @param answer - `GET /v1/score?…&evidence=1`, strictly parsed
 * @throws {PeerageError} ERR_REGISTRY_RESPONSE if the score differs or the answer is for another question,
 *   ERR_INCLUSION_INVALID, ERR_CHECKPOINT_INVALID, ERR_STATEMENT_INVALID
 */
export async function recomputeScore(
  answer: JsonValue,
  question: ScoreQuestion,
  policy: CheckpointPolicy,
  options: { readonly now?: Date } = {},
): Promise<RecomputedScore> {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) throw badAnswer("it carries no evidence for its score");
  const { from, to, scope, score, status, evidence } = parsed.data;
  if (to !== question.target || scope !== question.scope || !sameSet(from, question.roots)) {
    throw badAnswer("it is for another question");
  }
  const checkpoint = await verifyCheckpoint(evidence.checkpoint, policy, options);
  const set = new StatementSet();
  for (const { index, leaf, proof } of evidence.statements) {
    const bytes = utf8(leaf);
    verifyInclusion({
      index,
      size: checkpoint.size,
      root: checkpoint.root,
      leafHash: leafHash(bytes),
      proof: proof.map(decodeHash),
    });
    set.add({ statement: await verifyStatement(bytes), index, time: checkpoint.time ?? 0 });
  }
  const { origin, size, root, witnessed, note, time = 0 } = checkpoint;
  const view = new View(set, { origin, size, root, witnessed, note, time });
  const roots = question.roots.map(parseDid);
  const own = trustScore(view.graph(scope), { roots, target: question.target, logSize: checkpoint.size });
  const stated = status === "scored" ? score : "unknown";
  if (status === "scored" || status === "unknown") {
    if (stated !== own.score) {
      throw badAnswer(`it states the score ${String(stated)}; its own statements give ${String(own.score)}`);
    }
  }
  return { ...own, checkpoint, status, statements: evidence.statements.length };
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const set = new Set(b);
  return new Set(a).size === set.size && a.every((item) => set.has(item));
}

function decodeHash(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw new PeerageError("ERR_INCLUSION_INVALID", "a proof is not base64", { detail: "proof" });
  }
}

function badAnswer(message: string): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", `the registry's answer does not hold: ${message}`);
}
