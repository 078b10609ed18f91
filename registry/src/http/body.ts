import { PeerageError } from "@peerage/core";
import { badRequest } from "./problem.ts";
import type { Ctx } from "./route.ts";

/** Longest body of a request, in bytes; a statement has at most a quarter of it. */
export const MAX_BODY_BYTES: number = 16 * 1024;

/**
 * Reads the whole body, and no byte beyond the limit.
 * @throws {PeerageError} ERR_MESSAGE_TOO_LARGE; ERR_REQUEST_INVALID if it is compressed or breaks off
 */
export async function readBody(c: Ctx): Promise<Uint8Array> {
  const encoding = c.req.header("content-encoding");
  if (encoding !== undefined && encoding !== "identity") throw badRequest("a body is not compressed");
  if (Number(c.req.header("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  // The length header may lie or be absent, so what arrives is counted as well.
  const reader = c.req.raw.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      size += next.value.length;
      if (size > MAX_BODY_BYTES) throw tooLarge();
      chunks.push(next.value);
    }
  } catch (error) {
    void reader?.cancel().catch(() => undefined);
    throw error instanceof PeerageError ? error : badRequest("the body broke off");
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(): PeerageError {
  return new PeerageError("ERR_MESSAGE_TOO_LARGE", `a body has at most ${MAX_BODY_BYTES} bytes`);
}
