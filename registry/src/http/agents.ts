import { type AgentRecord, type Did, resolveDid, type VouchRecord, type View } from "@peerage/core";
import { z } from "zod";
import { kindCodes } from "../store/kinds.ts";
import { checkpointSchema, idOf, json, nameCheckpoint } from "./answers.ts";
import { did, integer, limit } from "./parameters.ts";
import { notFound } from "./problem.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

/** Most agents that one search looks at; the answer says where to go on. */
const SEARCH = 20_000;

const counts = z.object({ inForce: z.int(), total: z.int() });
const agentSchema = z.object({
  did: z.string(),
  first: z.object({ index: z.int(), time: z.int() }).describe("Its first appearance in the log"),
  key: z.object({
    status: z.enum(["active", "burnt", "suspended", "disputed"]),
    current: z.string().describe("Multibase key"),
    events: z.int(),
    since: z.int().optional(),
  }),
  role: z.string().optional().describe("As it says itself"),
  given: counts,
  received: counts,
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
        const { view } = service.published;
        const [init] = await service.reads.page(
          { issuer: params.did, kinds: [kindCodes.KeyInit] },
          -1,
          service.published.checkpoint.size,
          1,
        );
        const burnt = view.keyState(params.did).status === "burnt";
        const result = {
          didDocument: await resolveDid(params.did),
          didResolutionMetadata: { contentType: "application/did+ld+json" },
          didDocumentMetadata: {
            ...(burnt ? { deactivated: true } : {}),
            ...(init ? { versionId: idOf(init) } : {}),
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
  };
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
