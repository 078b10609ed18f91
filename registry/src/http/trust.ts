import {
  type Did,
  explainTrust,
  type KeyStatus,
  type NotCounted,
  trustScore,
  type View,
  type VouchRecord,
} from "@peerage/core";
import { z } from "zod";
import { checkpointSchema, json, nameCheckpoint } from "./answers.ts";
import { did, scope } from "./parameters.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const query = {
  from: did.optional().describe("As seen by this agent; by default by the roots that this registry publishes"),
  to: did,
  scope,
};

const scoreSchema = z.object({
  from: z.array(z.string()).describe("The roots"),
  to: z.string(),
  scope: z.string(),
  status: z.enum(["scored", "unknown", "suspended", "disputed", "burnt"]),
  score: z.number().nullable().describe("In [0, 1], six decimals; null unless scored. Unknown is not 0"),
  provenance: z.looseObject({}).describe("Metric, parameters, digests of roots and edges: compute it again"),
  witnessed: z.boolean(),
  checkpoint: checkpointSchema,
});

/** Scores and their working. A convenience: whoever relies on a score computes it from statements it verified itself. */
export function trustRoutes(service: Service): Route[] {
  const asked = (from: Did | undefined): readonly Did[] => (from === undefined ? service.roots : [from]);
  return [
    route({
      method: "GET",
      path: "/v1/score",
      summary: "The trust score of one agent as seen by another",
      query,
      answers: { 200: { description: "The score", content: { "application/json": scoreSchema } } },
      handle: (c, { query: { from, to, scope } }) => {
        const { view } = service.published;
        const roots = asked(from);
        const { score, provenance } = trustScore(view.graph(scope), { roots, target: to, logSize: view.size });
        return json(c, {
          from: roots,
          to,
          scope,
          ...verdict(view.keyState(to).status, score),
          provenance,
          witnessed: view.witnessed,
          checkpoint: nameCheckpoint(service),
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
      handle: (c, { query: { from, to, scope, threshold } }) => {
        const { view } = service.published;
        const roots = asked(from);
        const explanation = explainTrust(view.graph(scope), {
          roots,
          target: to,
          logSize: view.size,
          notCounted: notCounted(view, to, scope),
          ...(threshold === undefined ? {} : { threshold }),
        });
        return json(c, {
          from: roots,
          to,
          scope,
          ...verdict(view.keyState(to).status, explanation.score),
          provenance: explanation.provenance,
          witnessed: view.witnessed,
          checkpoint: nameCheckpoint(service),
          explanation,
        });
      },
    }),
  ];
}

function verdict(key: KeyStatus, score: number | "unknown"): { status: string; score: number | null } {
  if (key !== "active") return { status: key, score: null };
  return score === "unknown" ? { status: "unknown", score: null } : { status: "scored", score };
}

/** Vouches for an agent that do not count in a scope, each with its reason. */
function notCounted(view: View, did: Did, scope: string): NotCounted[] {
  return (view.agent(did)?.received ?? []).flatMap((vouch) => {
    const reason = reasonOf(vouch, scope);
    return reason === undefined ? [] : [{ vouch: vouch.statement, reason }];
  });
}

function reasonOf({ status, scopes, statement }: VouchRecord, scope: string): string | undefined {
  if (!statement.scope.includes(scope)) return "scope";
  if (status !== "in-force") return status;
  return scopes.includes(scope) ? undefined : "superseded";
}
