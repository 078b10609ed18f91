import { type Digest, parseJson, toBase64, toHex } from "@peerage/core";
import { z } from "zod";
import { kindName } from "../store/kinds.ts";
import type { StoredCheckpoint, StoredEntry } from "../store/log-store.ts";
import type { Ctx } from "./route.ts";
import type { Service } from "./service.ts";

/** The checkpoint at which an answer was computed. */
export const checkpointSchema: z.ZodType = z
  .object({
    origin: z.string(),
    size: z.int(),
    root: z.string().describe("base64"),
    time: z.int().describe("Unix seconds, by the operator's own witness"),
  })
  .describe("The published checkpoint at which this was computed");

/** A statement with its place in the log. */
export const statementSchema: z.ZodType = z.object({
  id: z.string(),
  index: z.int(),
  kind: z.string(),
  time: z.int().describe("Witnessed time: of the first published checkpoint that covers it, Unix seconds"),
  statement: z.looseObject({}).describe("The leaf. Its bytes are the RFC 8785 form of this object"),
});

/** A page of statements. */
export const pageSchema: z.ZodType = z.object({
  statements: z.array(statementSchema),
  next: z.int().nullable().describe("Pass as `after` to go on; null at the end"),
  checkpoint: checkpointSchema,
});

/** Answers with JSON. */
export function json(c: Ctx, body: object, status: 200 | 201 = 200): Response {
  c.header("Content-Type", "application/json; charset=utf-8");
  return c.body(JSON.stringify(body), status);
}

/** The text of an id. */
export function idOf(entry: StoredEntry): Digest {
  return `sha256:${toHex(entry.id)}`;
}

/** Names the checkpoint of an answer. */
export function nameCheckpoint(service: Service, checkpoint: StoredCheckpoint = service.published.checkpoint): object {
  const { size, root, time } = checkpoint;
  return { origin: service.keys.origin, size, root: toBase64(root), time };
}

/** An entry as the JSON answers show it. */
export async function describeEntry(service: Service, entry: StoredEntry): Promise<Record<string, unknown>> {
  const id = idOf(entry);
  const known = service.published.view.statement(id)?.time;
  return {
    id,
    index: entry.index,
    kind: kindName(entry.kind),
    time: known ?? (await service.reads.firstCheckpointCovering(entry.index))?.time,
    statement: parseJson(entry.body),
  };
}

/** Marks an answer that will never change. */
export function immutable(c: Ctx): void {
  c.header("Cache-Control", "public, max-age=31536000, immutable");
}
