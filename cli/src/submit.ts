import { canonicalize, type Digest, type JsonObject, type Note, noteDigest, type Statement } from "@peerage/core";
import { z } from "zod";
import { CliError } from "./errors.ts";
import { request } from "./http.ts";

/** Where a registry put a statement. */
export interface Submitted {
  readonly id: Digest;
  /** Log index. */
  readonly index: number;
  /** False if the registry had it already. */
  readonly fresh: boolean;
}

const answer = z.object({ id: z.string(), index: z.int().min(0) });

/**
 * Hands a signed statement to a registry. Public for ever once it is taken.
 * @param options.wait false: do not wait until others can see it; it is on disk by then
 * @throws {CliError} ERR_REGISTRY_UNREACHABLE, or the registry's own code
 */
export async function submit(
  registry: string,
  statement: Statement,
  options: { readonly wait?: boolean } = {},
): Promise<Submitted> {
  const { status, body } = await request(registry, "/v1/statements", {
    method: "POST",
    body: Uint8Array.from(statement.bytes),
    ...(options.wait === false ? {} : { prefer: "wait=5" }),
    seconds: 20,
  });
  const parsed = answer.safeParse(body);
  if (!parsed.success || parsed.data.id !== statement.id) {
    throw new CliError("ERR_REGISTRY_RESPONSE", `${registry} answered for another statement`);
  }
  return { id: statement.id, index: parsed.data.index, fresh: status === 201 };
}

/** Hands in the note that an accepted statement names. */
export async function submitNote(registry: string, note: Note): Promise<void> {
  await request(registry, `/v1/notes/${noteDigest(note)}`, {
    method: "PUT",
    body: canonicalize(note as unknown as JsonObject),
  });
}
