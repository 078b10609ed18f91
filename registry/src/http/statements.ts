import { formatLogProof, fromHex } from "@peerage/core";
import { z } from "zod";
import { kindsByName } from "../store/kinds.ts";
import type { EntryFilter, StoredEntry } from "../store/log-store.ts";
import {
  checkpointSchema,
  describeEntry,
  idOf,
  immutable,
  json,
  nameCheckpoint,
  pageSchema,
  statementSchema,
} from "./answers.ts";
import { readBody } from "./body.ts";
import { did, integer, limit, statementId } from "./parameters.ts";
import { notFound } from "./problem.ts";
import { type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const submitted = z.object({
  id: z.string(),
  index: z.int(),
  state: z.enum(["sequenced", "published"]).describe("sequenced: on disk; published: under a checkpoint too"),
});

const after = integer(-1)
  .optional()
  .transform((value) => value ?? -1)
  .meta({ type: "integer", minimum: -1, default: -1 });

/** The routes that take and give statements. */
export function statementRoutes(service: Service): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/statements",
      summary: "Submit a statement",
      body: {
        type: "application/json",
        description: "The leaf: the RFC 8785 form of a secured statement, at most 4,096 bytes",
      },
      answers: {
        200: { description: "The log has it already", content: { "application/json": submitted } },
        201: {
          description: "On disk in the log; with `Prefer: wait=15` also published",
          content: { "application/json": submitted },
        },
      },
      handle: (c) => submit(c, service),
    }),
    route({
      method: "GET",
      path: "/v1/statements",
      summary: "List published statements in log order",
      query: {
        issuer: did.optional(),
        subject: did.optional(),
        kind: z.enum(Object.keys(kindsByName)).optional(),
        after,
        limit,
      },
      answers: { 200: { description: "A page", content: { "application/json": pageSchema } } },
      handle: async (c, { query }) => {
        const filter: EntryFilter = {
          ...(query.issuer === undefined ? {} : { issuer: query.issuer }),
          ...(query.subject === undefined ? {} : { subject: query.subject }),
          ...(query.kind === undefined ? {} : { kinds: kindsByName[query.kind] ?? [] }),
        };
        return json(c, await pageOf(service, filter, query.after, query.limit));
      },
    }),
    route({
      method: "GET",
      path: "/v1/statements/:id",
      summary: "One published statement, its place in the log and what revoked it",
      params: { id: statementId },
      answers: {
        200: {
          description: "The statement",
          content: {
            "application/json": (statementSchema as z.ZodObject).extend({
              revokedBy: z.array(z.string()).describe("Ids of its issuer's revocations of it"),
              checkpoint: checkpointSchema,
            }),
          },
        },
      },
      handle: async (c, { params }) => {
        const entry = await findPublished(service, params.id);
        const { size } = service.published.checkpoint;
        const revocations = (await service.reads.revocationsOf(entry.id)).filter(
          (revocation) => revocation.issuer === entry.issuer && revocation.index < size,
        );
        const revokedBy = revocations.map(idOf);
        return json(c, { ...(await describeEntry(service, entry)), revokedBy, checkpoint: nameCheckpoint(service) });
      },
    }),
    route({
      method: "GET",
      path: "/v1/statements/:id/proof",
      summary: "Log proof against the first published checkpoint that covers the statement",
      params: { id: statementId },
      answers: {
        200: { description: "A C2SP tlog-proof; final, and checkable offline", content: { "text/plain": z.string() } },
      },
      handle: async (c, { params }) => {
        const { index } = await findPublished(service, params.id);
        const checkpoint = await service.reads.firstCheckpointCovering(index);
        if (!checkpoint) throw notFound("the statement is not published yet");
        const hashes = await service.proofs.inclusion(index, checkpoint.size);
        immutable(c);
        return c.text(formatLogProof({ index, hashes, checkpoint: checkpoint.note }));
      },
    }),
  ];
}

/** A page of published entries as JSON. */
export async function pageOf(service: Service, filter: EntryFilter, after: number, limit: number): Promise<object> {
  const { checkpoint } = service.published;
  const entries = await service.reads.page(filter, after, checkpoint.size, limit);
  const statements = await Promise.all(entries.map((entry) => describeEntry(service, entry)));
  const next = entries.length === limit ? (entries.at(-1)?.index ?? null) : null;
  return { statements, next, checkpoint: nameCheckpoint(service, checkpoint) };
}

async function findPublished(service: Service, id: string): Promise<StoredEntry> {
  const entry = await service.reads.byId(fromHex(id.slice("sha256:".length)));
  if (!entry || entry.index >= service.published.checkpoint.size) throw notFound("no such statement is published");
  return entry;
}

async function submit(c: Ctx, service: Service): Promise<Response> {
  const wait = /(?:^|[,;]\s*)wait=(\d{1,4})(?:$|[,;\s])/.exec(c.req.header("prefer") ?? "")?.[1];
  const { id, index, known } = await service.submit(await readBody(c));
  const covered = await service.published.covers(index, wait === undefined ? 0 : Math.min(Number(wait), 60) * 1_000);
  if (wait !== undefined) c.header("Preference-Applied", `wait=${wait}`);
  c.header("Location", `/v1/statements/${id}`);
  c.header("Cache-Control", "no-store");
  return json(c, { id, index, state: covered ? "published" : "sequenced" }, known ? 200 : 201);
}
