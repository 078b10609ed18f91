import { PeerageError } from "@peerage/core";
import { badRequest } from "./problem.ts";
import { bindingsOf, type Ctx } from "./route.ts";

/** Longest body of a request, in bytes; a statement has at most a quarter of it. */
export const MAX_BODY_BYTES: number = 16 * 1024;

/**
 * Reads the whole body, and no byte beyond the limit.
 * @param most in bytes
 * @throws {PeerageError} ERR_MESSAGE_TOO_LARGE; ERR_REQUEST_INVALID if it is compressed or breaks off
 */
export async function readBody(c: Ctx, most: number = MAX_BODY_BYTES): Promise<Uint8Array> {
  const encoding = c.req.header("content-encoding");
  if (encoding !== undefined && encoding !== "identity") throw badRequest("a body is not compressed");
  if (Number(c.req.header("content-length") ?? 0) > most) throw tooLarge(most);
  // The length header may lie or be absent, so what arrives is counted as well.
  const { incoming } = bindingsOf(c);
  return incoming ? readMessage(incoming, most) : readStream(c.req.raw.body, most);
}

/** From the socket, without a web stream in between: that costs more than all that is checked here. */
function readMessage(
  incoming: NonNullable<ReturnType<typeof bindingsOf>["incoming"]>,
  most: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void): void => {
      incoming.off("data", onData).off("end", onEnd).off("error", onBreak).off("close", onBreak);
      settle();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= most) return;
      incoming.pause();
      finish(() => reject(tooLarge(most)));
    };
    const onEnd = (): void => finish(() => resolve(new Uint8Array(Buffer.concat(chunks))));
    const onBreak = (): void => finish(() => reject(badRequest("the body broke off")));
    incoming.on("data", onData).on("end", onEnd).on("error", onBreak).on("close", onBreak);
  });
}

async function readStream(body: ReadableStream<Uint8Array> | null, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      size += next.value.length;
      if (size > most) throw tooLarge(most);
      chunks.push(next.value);
    }
  } catch (error) {
    void reader?.cancel().catch(() => undefined);
    throw error instanceof PeerageError ? error : badRequest("the body broke off");
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(most: number): PeerageError {
  return new PeerageError("ERR_MESSAGE_TOO_LARGE", `a body has at most ${most} bytes here`);
}
