import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { encodeEntryBundle, isPeerageError, parseTilePath, TILE_WIDTH, tileWidth, toBase64 } from "@peerage/core";
import { z } from "zod";
import { immutable, json } from "./answers.ts";
import { integer, limit } from "./parameters.ts";
import { badRequest, notFound } from "./problem.ts";
import { type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const compress = promisify(gzip);

/** What these routes work with: a registry's own log, or the copy of another's. */
export interface LogService extends Pick<Service, "reads" | "tiles" | "proofs"> {
  readonly published: Pick<Service["published"], "checkpoint">;
}

/** The log itself: C2SP tlog-tiles, and the proofs and checkpoints that save a client from assembling them. */
export function logRoutes(service: LogService): Route[] {
  return [
    route({
      method: "GET",
      path: "/checkpoint",
      free: true,
      summary: "The newest published checkpoint (C2SP tlog-checkpoint)",
      answers: { 200: { description: "A signed note", content: { "text/plain": z.string() } } },
      handle: (c) => {
        c.header("Cache-Control", "public, max-age=1");
        return c.text(service.published.checkpoint.note);
      },
    }),
    route({
      method: "GET",
      path: "/tile/:rest{.+}",
      free: true,
      summary: "A tile of hashes, `{L}/{N}[.p/{W}]`, or a bundle of entries, `entries/{N}[.p/{W}]` (C2SP tlog-tiles)",
      params: { rest: z.string().max(64) },
      answers: {
        200: { description: "Hashes, or length-prefixed entries", content: { "application/octet-stream": null } },
      },
      handle: (c, { params }) => tile(c, service, params.rest),
    }),
    route({
      method: "GET",
      path: "/v1/consistency",
      summary: "Consistency proof between two sizes",
      query: { from: integer(0), to: integer(0) },
      answers: {
        200: {
          description: "Hashes of RFC 6962 section 2.1.2",
          content: { "application/json": z.object({ from: z.int(), to: z.int(), proof: z.array(z.string()) }) },
        },
      },
      handle: async (c, { query: { from, to } }) => {
        if (from > to) throw badRequest("from is larger than to");
        if (to > service.published.checkpoint.size) throw notFound("the log is not published up to that size");
        const proof = await service.proofs.consistency(from, to);
        immutable(c);
        return json(c, { from, to, proof: proof.map(toBase64) });
      },
    }),
    route({
      method: "GET",
      path: "/v1/checkpoints",
      summary: "Published checkpoints, ascending: those after a size, or the first that covers an index",
      query: { index: integer(0).optional(), after: integer(-1).optional(), limit },
      answers: {
        200: {
          description: "Signed notes; verify each",
          content: { "application/json": z.object({ checkpoints: z.array(z.string()) }) },
        },
      },
      handle: async (c, { query }) => {
        if (query.index !== undefined && query.after !== undefined)
          throw badRequest("index and after exclude each other");
        const { size } = service.published.checkpoint;
        const stored = await service.reads.checkpoints(
          query.index ?? query.after ?? -1,
          query.index === undefined ? query.limit : 1,
        );
        const notes = stored.filter((checkpoint) => checkpoint.size <= size).map(({ note }) => note);
        if (query.index !== undefined) {
          if (notes.length === 0) throw notFound("no published checkpoint covers that index");
          immutable(c);
        }
        return json(c, { checkpoints: notes });
      },
    }),
  ];
}

async function tile(c: Ctx, service: LogService, rest: string): Promise<Response> {
  const { level, n, width } = parse(rest);
  const available = tileWidth(level === "entries" ? 0 : level, n, service.published.checkpoint.size);
  if (width > available) throw notFound("the log is not published so far");
  immutable(c);
  c.header("Content-Type", "application/octet-stream");
  if (level !== "entries") return c.body((await service.tiles.read(level, n, width)) as Uint8Array<ArrayBuffer>);
  const entries = await service.reads.entries(n * TILE_WIDTH, n * TILE_WIDTH + width);
  const bundle = encodeEntryBundle(entries.map(({ body }) => body));
  c.header("Vary", "Accept-Encoding");
  if (!/\bgzip\b/.test(c.req.header("accept-encoding") ?? "")) return c.body(bundle as Uint8Array<ArrayBuffer>);
  c.header("Content-Encoding", "gzip");
  return c.body(await compress(bundle));
}

function parse(rest: string): ReturnType<typeof parseTilePath> {
  try {
    return parseTilePath(`tile/${rest}`);
  } catch (error) {
    throw isPeerageError(error) ? badRequest(error.message) : error;
  }
}
