import {
  type Did,
  explainTrust,
  type FlowVector,
  fromUtf8,
  type KeyStatus,
  type Logged,
  LruMap,
  MOST_LISTED,
  type NotCounted,
  PeerageError,
  type ScoreEvidence,
  toBase64,
  TrustFollower,
  type TrustGraph,
  trustScore,
  type View,
  type ViewHead,
  type Vouch,
  type VouchRecord,
  vouchesBehind,
} from "@peerage/core";
import { z } from "zod";
import { checkpointSchema, json, nameCheckpoint } from "./answers.ts";
import type { StoredCheckpoint } from "../store/log-store.ts";
import { did, didList, integer, scope } from "./parameters.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const query = {
  from: didList.optional().describe("As seen by these agents; by default by the roots that this registry publishes"),
  to: did,
  scope,
  at: integer(0).optional().describe("As of this log size, for which a checkpoint was published"),
};

const evidenceSchema = z
  .object({
    checkpoint: z.string().describe("Signed note"),
    statements: z.array(z.object({ index: z.int(), leaf: z.string(), proof: z.array(z.string()) })),
  })
  .describe("Every vouch on which the score depends, with its inclusion proof: compute the score again");

const scoreSchema = z.object({
  from: z.array(z.string()).describe("The roots"),
  to: z.string(),
  scope: z.string(),
  status: z.enum(["scored", "unknown", "suspended", "disputed", "burnt"]),
  score: z.number().nullable().describe("In [0, 1], six decimals; null unless scored. Unknown is not 0"),
  provenance: z.looseObject({}).describe("Metric, parameters, digests of roots and edges: compute it again"),
  witnessed: z.boolean(),
  checkpoint: checkpointSchema,
  evidence: evidenceSchema.optional(),
});

/** Scores and their working. A convenience: whoever relies on a score computes it from statements it verified itself. */
export function trustRoutes(service: Service): Route[] {
  const asked = (from: readonly Did[] | undefined): readonly Did[] => from ?? service.roots;
  return [
    route({
      method: "GET",
      path: "/v1/score",
      summary: "The trust score of one agent as seen by others",
      query: { ...query, evidence: z.literal("1").optional().describe("Also what the score follows from") },
      answers: { 200: { description: "The score", content: { "application/json": scoreSchema } } },
      handle: async (c, { query: { from, to, scope, at, evidence } }) => {
        const { view, checkpoint } = await viewAt(service, at);
        const roots = asked(from);
        const graph = graphOf(service, view, scope);
        const { score, provenance } = trustScore(graph, { roots, target: to, logSize: view.size });
        const behind = evidence ? vouchesBehind(view, { roots, target: to, scope }, graph) : undefined;
        return json(c, {
          from: roots,
          to,
          scope,
          ...verdict(view.keyState(to).status, score),
          provenance,
          witnessed: view.witnessed,
          checkpoint: nameCheckpoint(service, checkpoint),
          ...(behind ? { evidence: await evidenceOf(service, view, behind) } : {}),
        });
      },
    }),
    route({
      method: "GET",
      path: "/v1/explain",
      summary: "The trust score with its whole working",
      query: {
        ...query,
        threshold: z
          .string()
          .regex(/^(?:0\.\d{1,6}|1)$/, "not a threshold above 0 and up to 1")
          .transform(Number)
          .refine((value) => value > 0, "not a threshold above 0")
          .optional()
          .describe("Also say what would raise the score to it"),
      },
      answers: {
        200: {
          description: "The explanation",
          content: { "application/json": scoreSchema.extend({ explanation: z.looseObject({}) }) },
        },
      },
      handle: async (c, { query: { from, to, scope, at, threshold } }) => {
        const { view, checkpoint } = await viewAt(service, at);
        const roots = asked(from);
        const graph = graphOf(service, view, scope);
        const explanation = explainTrust(graph, {
          roots,
          ...(from ? {} : vectorOf(service, view, scope)),
          target: to,
          logSize: view.size,
          notCounted: notCounted(view, graph, to, scope),
          ...(threshold === undefined ? {} : { threshold }),
        });
        return json(c, {
          from: roots,
          to,
          scope,
          ...verdict(view.keyState(to).status, explanation.score),
          provenance: explanation.provenance,
          witnessed: view.witnessed,
          checkpoint: nameCheckpoint(service, checkpoint),
          explanation,
        });
      },
    }),
  ];
}

/** Older views are rebuilt from all statements, so the few that people look at are kept and rebuilding is rationed. */
class OlderViews {
  readonly #views = new LruMap<number, View>(8);
  #rebuilds = 8;
  #refilled = Date.now();

  get(newest: View, head: ViewHead): View {
    let view = this.#views.get(head.size);
    if (view) return view;
    const now = Date.now();
    this.#rebuilds = Math.min(8, this.#rebuilds + (now - this.#refilled) / 1000);
    this.#refilled = now;
    if (this.#rebuilds < 1) throw new PeerageError("ERR_REGISTRY_BUSY", "too many older views at once: retry later");
    this.#rebuilds--;
    view = newest.upTo(head);
    this.#views.set(head.size, view);
    return view;
  }
}
const olderViews = new WeakMap<Service, OlderViews>();

/** The newest view, or the one under the checkpoint that was published at a size. */
async function viewAt(service: Service, at: number | undefined): Promise<{ view: View; checkpoint: StoredCheckpoint }> {
  const newest = service.published;
  if (at === undefined || at === newest.checkpoint.size) return { view: newest.view, checkpoint: newest.checkpoint };
  const checkpoint = at > newest.checkpoint.size ? undefined : await service.reads.firstCheckpointCovering(at - 1);
  if (checkpoint?.size !== at) {
    throw new PeerageError("ERR_NOT_FOUND", `no checkpoint was published at size ${at}; see /v1/checkpoints`);
  }
  let views = olderViews.get(service);
  if (!views) olderViews.set(service, (views = new OlderViews()));
  const { size, root, time, note } = checkpoint;
  const head = { origin: service.keys.origin, size, root, time, note, witnessed: false };
  return { view: views.get(newest.view, head), checkpoint };
}

// The newest view's graphs and the scores from the published roots go from view to view at the cost of what changed. They
// change with the next view, so nothing of them is kept over an `await`.
const followers = new WeakMap<Service, TrustFollower>();

function followed(service: Service, view: View): TrustFollower | undefined {
  if (view !== service.published.view) return undefined;
  let follower = followers.get(service);
  if (!follower) followers.set(service, (follower = new TrustFollower(service.roots)));
  follower.follow(view);
  return follower;
}

function graphOf(service: Service, view: View, scope: string): TrustGraph {
  return followed(service, view)?.graph(scope) ?? view.graph(scope);
}

function vectorOf(service: Service, view: View, scope: string): { vector?: FlowVector } {
  const vector = followed(service, view)?.vector(scope);
  return vector ? { vector } : {};
}

/** What a client needs to compute a score again: the vouches, each with its proof. */
async function evidenceOf(service: Service, view: View, vouches: readonly Logged<Vouch>[]): Promise<ScoreEvidence> {
  const statements = await Promise.all(
    vouches.map(async ({ index, statement }) => ({
      index,
      leaf: fromUtf8(statement.bytes),
      proof: (await service.proofs.inclusion(index, view.size)).map(toBase64),
    })),
  );
  return { checkpoint: view.note, statements };
}

function verdict(key: KeyStatus, score: number | "unknown"): { status: string; score: number | null } {
  if (key !== "active") return { status: key, score: null };
  return score === "unknown" ? { status: "unknown", score: null } : { status: "scored", score };
}

/** Vouches for an agent that are looked at for those that do not count: of more than so many, the first. */
const MOST_LOOKED_AT = 20_000;

/** Vouches for an agent that do not count in a scope, each with its reason. */
function notCounted(view: View, graph: TrustGraph, did: Did, scope: string): NotCounted[] {
  const received = view.statements.agent(did)?.received ?? [];
  const issuers = new Set<Did>();
  for (const { statement } of received.slice(0, MOST_LOOKED_AT)) {
    if (graph.vouch(statement.issuer, did)?.id !== statement.id) issuers.add(statement.issuer);
    if (issuers.size >= MOST_LISTED) break;
  }
  return view
    .vouchesFor(did, (issuer) => issuers.has(issuer))
    .flatMap((vouch) => {
      const { id, issuer, subject } = vouch.statement;
      const reason = reasonOf(vouch, scope);
      return reason === undefined ? [] : [{ vouch: { id, issuer, subject }, reason }];
    });
}

function reasonOf({ status, scopes, statement }: VouchRecord, scope: string): string | undefined {
  if (!statement.scope.includes(scope)) return "scope";
  if (status !== "in-force") return status;
  return scopes.includes(scope) ? undefined : "superseded";
}
