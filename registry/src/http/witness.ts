import {
  type Digest,
  isJsonObject,
  isPeerageError,
  type JsonValue,
  parseJson,
  PeerageError,
  verifyForkEvidence,
  verifyLogEnd,
} from "@peerage/core";
import { z } from "zod";
import { endDigest, forkDigest, keepEnd, keepFork } from "../witness/forks.ts";
import { json } from "./answers.ts";
import { readBody } from "./body.ts";
import { limit } from "./parameters.ts";
import { badRequest, notFound } from "./problem.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

/** The witness's side of C2SP tlog-witness: other logs ask for cosignatures, monitors see what was cosigned. */
export function witnessRoutes(service: Pick<Service, "witness">): Route[] {
  return [
    route({
      method: "POST",
      path: "/witness/add-checkpoint",
      summary: "Cosign a head of a log that is watched here (C2SP tlog-witness)",
      body: {
        type: "text/plain",
        description: "The old size, a consistency proof, an empty line, a signed checkpoint",
      },
      answers: {
        200: { description: "Signature lines", content: { "text/plain": z.string() } },
        404: { description: "The log is not watched here" },
        403: { description: "The log's key did not sign" },
        409: {
          description: "Another size was cosigned last, or another root",
          content: { "text/x.tlog.size": z.string() },
        },
        422: { description: "The proof does not hold" },
      },
      handle: async (c) => {
        const { status, type, body } = await service.witness.addCheckpoint(await readBody(c));
        c.header("Content-Type", type);
        c.header("Cache-Control", "no-store");
        return c.body(body, status);
      },
    }),
    route({
      method: "GET",
      path: "/witness/:hash/checkpoint",
      live: true,
      free: true,
      summary: "The newest head that was cosigned of the log whose origin has this SHA-256",
      params: { hash: z.string().regex(/^[0-9a-f]{64}$/, "not a SHA-256 in hexadecimal") },
      answers: { 200: { description: "A signed note", content: { "text/plain": z.string() } } },
      handle: (c, { params }) => {
        const head = service.witness.head(params.hash);
        if (!head) throw notFound("nothing was cosigned of that log");
        c.header("Cache-Control", "no-store");
        return c.text(head.note);
      },
    }),
  ];
}

/** Proofs that logs contradicted themselves: anyone brings them, anyone checks them. */
export function forkRoutes(
  service: Pick<Service, "peers" | "now"> & {
    /** True for logs that are read here: there is always room for evidence about them. */
    readonly isRead: (vkey: string) => boolean;
  },
): Route[] {
  const { peers, now, isRead } = service;
  const keep = async (value: JsonValue): Promise<Digest> => {
    const isEnd = isJsonObject(value) && value["type"] === "LogEnd";
    const evidence = isEnd ? await verifyLogEnd(value) : await verifyForkEvidence(value);
    const known = evidence.type === "LogEnd" ? peers.end(endDigest(evidence)) : peers.fork(forkDigest(evidence));
    if (known === undefined && !peers.hasRoom(evidence.vkey, isRead(evidence.vkey))) {
      throw new PeerageError("ERR_REGISTRY_BUSY", "there is enough evidence already");
    }
    return evidence.type === "LogEnd" ? keepEnd(peers, evidence, now()) : keepFork(peers, evidence, now());
  };
  return [
    route({
      method: "POST",
      path: "/v1/forks",
      summary: "Show evidence about a log; a report of category log-fork or log-ended may then name its digest",
      body: { type: "application/json", description: "A ForkEvidence, or a LogEnd with the log's last head" },
      answers: {
        200: { description: "It holds", content: { "application/json": z.object({ digest: z.string() }) } },
      },
      handle: async (c) => {
        const body = await readBody(c);
        try {
          return json(c, { digest: await keep(parseJson(body)) });
        } catch (error) {
          if (isPeerageError(error) && error.code !== "ERR_REGISTRY_BUSY")
            throw badRequest(`this proves nothing about a log: ${error.message}`);
          throw error;
        }
      },
    }),
    route({
      method: "GET",
      path: "/v1/forks",
      live: true,
      summary: "Evidence of forks that this registry has seen and checked",
      query: { limit },
      answers: {
        200: {
          description: "The evidence; check it, it needs nothing else",
          content: { "application/json": z.object({ forks: z.array(z.looseObject({})) }) },
        },
      },
      handle: (c, { query }) => {
        c.header("Cache-Control", "no-store");
        return json(c, { forks: service.peers.forks(query.limit).map((text) => parseJson(text)) });
      },
    }),
  ];
}
