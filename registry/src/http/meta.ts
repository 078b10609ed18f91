import { FLOW, formatVerifierKey, MAX_STATEMENT_BYTES, PeerageError, statementJsonSchemas } from "@peerage/core";
import { z } from "zod";
import { issuerBudgets } from "../admission/budgets.ts";
import { json } from "./answers.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import { openApiDocument } from "./openapi.ts";
import { problem } from "./problem.ts";
import { type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const wellKnownSchema = z.object({
  origin: z.string(),
  logKey: z.string().describe("vkey of type 0x01"),
  witnessKey: z.string().describe("vkey of type 0x04: the operator's own witness; never counts in a quorum"),
  url: z.string().optional(),
  witnessed: z.boolean().describe("A quorum of witnesses has each checkpoint before it is shown; ask them, not this"),
  witnesses: z
    .object({ threshold: z.int(), keys: z.array(z.string()).describe("vkeys of type 0x04") })
    .optional()
    .describe("Whose cosignatures checkpoints carry"),
  witnessFor: z.array(z.string()).describe("Origins of the logs that this registry cosigns"),
  mirrors: z
    .array(z.object({ origin: z.string(), path: z.string(), key: z.string().describe("vkey of type 0x04") }))
    .describe("Logs of others that are copied here: where, and the key that says how far"),
  roots: z.array(z.string()),
  cadenceSeconds: z.object({ grown: z.int(), unchanged: z.int() }),
  limits: z.object({
    statementBytes: z.int(),
    bodyBytes: z.int(),
    pageEntries: z.int(),
    streams: z.int(),
    mode: z.enum(["open", "public", "members"]).describe("Who may submit: anyone; anyone within budgets; members"),
    byAddress: z.boolean().describe("False if what stands in front hides who asks: then nothing is counted by address"),
    writesPerMinute: z.int().nullable().describe("Of one IPv4 /24 or IPv6 /48"),
    readsPerMinute: z.int().nullable().describe("The same for reads that are computed; tiles are not counted"),
    streamsEach: z.int().nullable(),
    issuer: z.looseObject({}).nullable().describe("Budgets of one issuer; revocations and key events are exempt"),
    messages: z.looseObject({}).describe("Room for sealed messages, and what one sender may hand in"),
  }),
  metric: z.looseObject({}),
  statementSchemas: z.looseObject({}).describe("JSON Schema of each kind"),
});

/** What a registry says about itself. `all` is every route of the app, this one included. */
export function metaRoutes(service: Service, all: () => readonly Route[]): Route[] {
  return [
    route({
      method: "GET",
      path: "/.well-known/peerage-registry.json",
      free: true,
      summary: "Origin, keys, roots, cadence, limits",
      answers: { 200: { description: "The registry", content: { "application/json": wellKnownSchema } } },
      handle: (c) => {
        const { keys, publicUrl, roots, limits, mode, streams, quorum, witness, mirrors, messages } = service;
        return json(c, {
          origin: keys.origin,
          logKey: formatVerifierKey(keys.log.key),
          witnessKey: formatVerifierKey(keys.witness.key),
          ...(publicUrl === undefined ? {} : { url: publicUrl }),
          witnessed: quorum !== undefined,
          ...(quorum
            ? {
                witnesses: {
                  threshold: quorum.threshold,
                  keys: quorum.witnesses.map(({ key }) => formatVerifierKey(key)),
                },
              }
            : {}),
          witnessFor: witness.logs.map(({ name }) => name),
          mirrors: mirrors.map(({ origin, path, key }) => ({ origin, path, key: formatVerifierKey(key) })),
          roots,
          cadenceSeconds: { grown: quorum ? 10 : 1, unchanged: 600 },
          limits: {
            statementBytes: MAX_STATEMENT_BYTES,
            bodyBytes: MAX_BODY_BYTES,
            pageEntries: 200,
            streams: streams.maximum,
            mode,
            byAddress: limits.addresses.known,
            writesPerMinute: limits.writes?.perMinute ?? null,
            readsPerMinute: limits.reads?.perMinute ?? null,
            streamsEach: limits.streamsEach || null,
            issuer: mode === "public" ? issuerBudgets : null,
            messages: messages.limits,
          },
          metric: { name: "flow", ...FLOW },
          statementSchemas: statementJsonSchemas(),
        });
      },
    }),
    route({
      method: "GET",
      path: "/openapi.json",
      summary: "This interface (OpenAPI 3.1)",
      answers: { 200: { description: "The document", content: { "application/json": z.looseObject({}) } } },
      handle: (c) => json(c, openApiDocument(all(), service.publicUrl ?? "/")),
    }),
    healthRoute(),
    route({
      method: "GET",
      path: "/readyz",
      free: true,
      live: true,
      summary: "Statements can be submitted and are published",
      answers: { 200: { description: "They are", content: { "text/plain": z.string() } } },
      handle: (c) => {
        const why = service.stopping.aborted ? "this registry is shutting down" : service.notWritable();
        if (why !== undefined) return problem(c, new PeerageError("ERR_REGISTRY_BUSY", why));
        c.header("Cache-Control", "no-store");
        return c.text("ready\n");
      },
    }),
  ];
}

/** Says that the process answers, and nothing else. */
export function healthRoute(): Route {
  return route({
    method: "GET",
    path: "/healthz",
    free: true,
    live: true,
    summary: "The process answers",
    answers: { 200: { description: "It does", content: { "text/plain": z.string() } } },
    handle: (c) => {
      c.header("Cache-Control", "no-store");
      return c.text("ok\n");
    },
  });
}
