import {
  type AgentRecord,
  type Did,
  type MultibaseKey,
  type ReportRecord,
  resolveDid,
  type View,
  type VouchRecord,
} from "@peerage/core";
import { z } from "zod";
import { checkpointSchema, json, nameCheckpoint } from "./answers.ts";
import { did, integer, limit } from "./parameters.ts";
import { notFound } from "./problem.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

/** Most agents that one search looks at; the answer says where to go on. */
const SEARCH = 20_000;

const counts = z.object({ inForce: z.int(), total: z.int() });
const recoverySchema = z.object({ threshold: z.int(), keys: z.array(z.string()).readonly() });
const agentSchema = z.object({
  did: z.string(),
  first: z.object({ index: z.int(), time: z.int() }).describe("Its first appearance in the log"),
  key: z.object({
    status: z.enum(["active", "burnt", "suspended", "disputed"]),
    current: z.string().describe("Multibase key"),
    events: z.int(),
    since: z.int().optional(),
    seq: z.int().optional().describe("Of the last key event that counts"),
    last: z.string().optional().describe("Its id: what the next event names as prev"),
    next: z.string().optional().describe("Digest of the key that may rotate next"),
    recovery: recoverySchema.optional().describe("The recovery set in force"),
    pendingRecovery: z
      .object({ set: recoverySchema, after: z.int() })
      .optional()
      .describe("A set in its time lock, and until when"),
    compromises: z.int().describe("How often it declared a key stolen, which voids what it gave"),
  }),
  role: z.string().optional().describe("As it says itself"),
  given: counts,
  received: counts,
  reports: z.int().describe("Reports about it that stand; they change no score"),
});

/** The directory, single agents, and DID resolution. */
export function agentRoutes(service: Service): Route[] {
  const directory = new Directory();
  return [
    route({
      method: "GET",
      path: "/v1/agents",
      summary: "Agents in order of first appearance",
      query: {
        q: z.string().min(1).max(128).optional().describe("A part of the DID"),
        after: integer(0).optional().describe("The `next` of the page before"),
        limit,
      },
      answers: {
        200: {
          description: "A page",
          content: {
            "application/json": z.object({
              agents: z.array(agentSchema),
              next: z.int().nullable().describe("Pass as `after` to go on; null at the end"),
              checkpoint: checkpointSchema,
            }),
          },
        },
      },
      handle: (c, { query }) => {
        const { view } = service.published;
        const dids = directory.of(view);
        const found: Did[] = [];
        let at = query.after ?? 0;
        for (const end = Math.min(dids.length, at + SEARCH); at < end && found.length < query.limit; at++) {
          const did = dids[at];
          if (did !== undefined && (query.q === undefined || did.includes(query.q))) found.push(did);
        }
        const agents = found.flatMap((did) => view.agent(did) ?? []).map(describeAgent);
        return json(c, { agents, next: at < dids.length ? at : null, checkpoint: nameCheckpoint(service) });
      },
    }),
    route({
      method: "GET",
      path: "/v1/agents/:did",
      summary: "One agent: profile, key state, counts",
      params: { did },
      answers: {
        200: {
          description: "The agent",
          content: {
            "application/json": agentSchema.extend({
              profile: z
                .object({
                  id: z.string(),
                  index: z.int(),
                  role: z.string(),
                  issued: z.int(),
                  noteDigest: z.string().optional(),
                })
                .optional(),
              reportedBy: z
                .array(
                  z.object({
                    id: z.string(),
                    index: z.int(),
                    time: z.int(),
                    issuer: z.string(),
                    category: z.string(),
                    evidence: z.array(z.string()),
                    withdrawn: z.boolean(),
                  }),
                )
                .describe("What others report, with its evidence"),
              checkpoint: checkpointSchema,
            }),
          },
        },
      },
      handle: (c, { params }) => {
        const agent = service.published.view.agent(params.did);
        if (!agent) throw notFound("the log does not name this agent");
        return json(c, {
          ...describeAgent(agent),
          ...describeProfile(agent),
          reportedBy: agent.reports.map(describeReport),
          checkpoint: nameCheckpoint(service),
        });
      },
    }),
    route({
      method: "GET",
      path: "/1.0/identifiers/:did",
      summary: "DID resolution: the DID document with the key that stands behind the DID now",
      params: { did },
      answers: {
        200: {
          description: "A DID resolution result",
          content: {
            "application/did-resolution": z.object({
              didDocument: z.looseObject({ id: z.string() }),
              didResolutionMetadata: z.object({ contentType: z.string() }),
              didDocumentMetadata: z.object({ deactivated: z.boolean().optional(), versionId: z.string().optional() }),
              checkpoint: checkpointSchema,
            }),
          },
        },
      },
      handle: async (c, { params }) => {
        const { status, current, last } = service.published.view.keyState(params.did);
        const result = {
          didDocument: await documentOf(params.did, current),
          didResolutionMetadata: { contentType: "application/did+ld+json" },
          didDocumentMetadata: {
            ...(status === "burnt" ? { deactivated: true } : {}),
            ...(last === undefined ? {} : { versionId: last }),
          },
          checkpoint: nameCheckpoint(service),
        };
        c.header("Content-Type", "application/did-resolution");
        return c.body(JSON.stringify(result));
      },
    }),
  ];
}

function describeAgent(agent: AgentRecord): z.output<typeof agentSchema> {
  const role = agent.profile?.statement.role;
  return {
    did: agent.did,
    first: agent.first,
    key: agent.key,
    ...(role === undefined ? {} : { role }),
    given: countOf(agent.given),
    received: countOf(agent.received),
    reports: agent.reports.filter(({ withdrawnBy }) => !withdrawnBy).length,
  };
}

/** The DID document with the key that stands behind the DID now in place of its first. */
async function documentOf(did: Did, current: MultibaseKey): Promise<DidDocument> {
  const own: Did = `did:key:${current}`;
  const document = await resolveDid(own);
  return own === did ? document : (JSON.parse(JSON.stringify(document).replaceAll(own, did)) as DidDocument);
}

type DidDocument = Awaited<ReturnType<typeof resolveDid>>;

function describeReport({ statement, index, time, withdrawnBy }: ReportRecord): object {
  const { id, issuer, category, evidence } = statement;
  return { id, index, time, issuer, category, evidence, withdrawn: withdrawnBy !== undefined };
}

function describeProfile({ profile }: AgentRecord): object {
  if (!profile) return {};
  const { index, statement } = profile;
  const { id, role, issuedAt, noteDigest } = statement;
  return { profile: { id, index, role, issued: issuedAt, ...(noteDigest === undefined ? {} : { noteDigest }) } };
}

function countOf(vouches: readonly VouchRecord[]): z.output<typeof counts> {
  return { inForce: vouches.filter(({ status }) => status === "in-force").length, total: vouches.length };
}

/** All DIDs in order of first appearance, listed anew only when there are more. */
class Directory {
  #dids: readonly Did[] = [];

  of(view: View): readonly Did[] {
    if (this.#dids.length !== view.agentCount) this.#dids = [...view.agents()];
    return this.#dids;
  }
}
