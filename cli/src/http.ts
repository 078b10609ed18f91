import { type ErrorCode, errorCodes, type JsonValue, networkReason, parseJson, PeerageError } from "@peerage/core";
import { CliError } from "./errors.ts";
import { visible } from "./ui/visible.ts";

/** A registry's answer to a request, its body parsed strictly. */
export interface Answer {
  readonly status: number;
  readonly body: JsonValue;
}

const MAX_ANSWER_BYTES = 1_048_576;

/**
 * Sends one request to a registry. No redirect is followed, so what was meant for one origin reaches no other.
 * @throws {CliError} ERR_REGISTRY_UNREACHABLE, or the code of the problem document that came back
 */
export async function request(
  base: string,
  path: string,
  options: {
    method?: "GET" | "POST" | "PUT" | "DELETE";
    body?: Uint8Array | string;
    /** Media type of the body; JSON by default. */
    type?: string;
    prefer?: string;
    authorization?: string;
    seconds?: number;
  } = {},
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(base + path, {
      method: options.method ?? "GET",
      redirect: "manual",
      headers: {
        accept: "application/json",
        ...(options.body === undefined ? {} : { "content-type": options.type ?? "application/json" }),
        ...(options.prefer === undefined ? {} : { prefer: options.prefer }),
        ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
      },
      ...(options.body === undefined ? {} : { body: options.body }),
      signal: AbortSignal.timeout((options.seconds ?? 10) * 1000),
    });
  } catch (error) {
    throw unreachable(base, networkReason(error), error);
  }
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    throw unreachable(base, "it redirects elsewhere, which is not followed");
  }
  if (response.status === 204) return { status: 204, body: null };
  let body: JsonValue;
  try {
    body = parseJson(await readAnswer(base, response));
  } catch (error) {
    if (!response.ok) throw unreachable(base, `it answered ${response.status}`, error);
    if (error instanceof CliError) throw error;
    throw new PeerageError("ERR_REGISTRY_RESPONSE", `${base} sent something that is not JSON`, { cause: error });
  }
  if (!response.ok) throw problem(base, response.status, body);
  return { status: response.status, body };
}

/** Never holds more than an answer may have, whatever is sent. */
async function readAnswer(base: string, { body }: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreachable(base, "its answer broke off", error);
  }
  if (size > MAX_ANSWER_BYTES)
    throw new CliError("ERR_REGISTRY_RESPONSE", `${base} sent more than ${MAX_ANSWER_BYTES} bytes`);
  return Buffer.concat(chunks);
}

/** A registry that cannot be reached, as an error with the way out. */
export function unreachable(base: string, why: string, cause?: unknown): CliError {
  return new CliError("ERR_REGISTRY_UNREACHABLE", `${base} cannot be reached: ${why}`, { cause });
}

function problem(base: string, status: number, body: JsonValue): CliError {
  const { code, detail, title } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const known: ErrorCode | undefined = errorCodes.find((candidate) => candidate === code);
  const text = typeof detail === "string" ? detail : typeof title === "string" ? title : `HTTP ${status}`;
  return new CliError(
    known ?? (status === 404 ? "ERR_NOT_FOUND" : status >= 500 ? "ERR_REGISTRY_UNREACHABLE" : "ERR_REGISTRY_RESPONSE"),
    `${base} refused: ${visible(text, 300)}`,
  );
}
