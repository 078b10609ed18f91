import { isJsonObject, type JsonValue, LruMap } from "@peerage/core";
import { MAX_BODY_BYTES } from "../guard/guard.ts";
import type { Admission, Context, Guard, JsonRpcMessage } from "../guard/types.ts";
import { readMessage } from "../proxy/answer.ts";
import { ByteQueue } from "../proxy/byte-queue.ts";
import { idOf, type RequestId } from "../proxy/json-rpc.ts";
import { streamSubject } from "../sign/sign-fetch.ts";

/** One HTTP request of a client, as far as the guard judges it. */
export interface HttpRequest {
  readonly method: string;
  readonly header: (name: string) => string | undefined;
  /** Ids in flight belong to it. */
  readonly connection: object;
  /** Aborted when nobody waits for the verdict any more. */
  readonly signal?: AbortSignal;
  /** Told the id of a request whose verdict takes time. */
  readonly onPending?: (id: RequestId | undefined) => void;
  /** The body where someone parsed it already. */
  readonly parsedBody?: unknown;
  /** Reads the body, but stops once there are more bytes than this. */
  readonly readBody: (maxBytes: number) => Promise<Uint8Array>;
}

/** What becomes of an HTTP request. */
export type HttpVerdict =
  /** Goes on; a POST with exactly this message as its body, a GET or DELETE as it is. */
  | { readonly kind: "pass"; readonly admission?: Admission & { admitted: true }; readonly context: Context }
  /** Is answered with this. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly contentType: string;
      readonly body: JsonRpcMessage | undefined;
    };

/** Judges a request of the Streamable HTTP transport: POST by its message; GET and DELETE by the header `Peerage-Call`. */
export async function judgeRequest(guard: Guard, request: HttpRequest): Promise<HttpVerdict> {
  const { header, connection, signal } = request;
  const session = header("mcp-session-id");
  const context: Context = {
    transport: "http",
    connection,
    header,
    ...(session === undefined ? {} : { session }),
    ...(signal ? { signal } : {}),
  };
  const method = request.method.toUpperCase();
  if (method === "GET" || method === "DELETE") {
    const admission = await guard.admitSynthetic(streamSubject(method, header), context);
    return admission.admitted ? { kind: "pass", context } : answer(admission, "application/problem+json");
  }
  // A preflight carries no message. Everything else is what an MCP endpoint does not have.
  if (method === "OPTIONS") return { kind: "pass", context };
  if (method !== "POST") return { kind: "answer", status: 405, contentType: "application/json", body: undefined };
  const { parsedBody } = request;
  const text = parsedBody === undefined ? await request.readBody(MAX_BODY_BYTES) : undefined;
  const verdict = text === undefined ? guard.admit(parsedBody, context) : guard.admitText(text, context);
  if (verdict instanceof Promise) {
    const message = (text === undefined ? parsedBody : readMessage(text)?.message) as JsonValue | undefined;
    request.onPending?.(isJsonObject(message) ? idOf(message) : undefined);
  }
  const admission = await verdict;
  return admission.admitted ? { kind: "pass", admission, context } : answer(admission, "application/json");
}

function answer(refused: Admission & { admitted: false }, contentType: string): HttpVerdict {
  return { kind: "answer", status: refused.status, contentType, body: refused.reply };
}

/** The HTTP answer to a refused request. */
export function responseOf(answer: HttpVerdict & { kind: "answer" }): Response {
  const { status, contentType, body } = answer;
  if (body === undefined) return new Response(null, { status });
  return new Response(JSON.stringify(body), { status, headers: { "content-type": contentType } });
}

/** Reads a stream of bytes; stops once there are more than `maxBytes`. */
export async function readLimited(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const held = new ByteQueue();
  for await (const chunk of chunks) {
    held.push(chunk);
    if (held.length > maxBytes) break;
  }
  return held.take();
}

/** One connection object for each HTTP session, and a fresh one for what has no session. */
export class SessionConnections {
  readonly #bySession = new LruMap<string, object>(65_536);

  of(session: string | undefined): object {
    if (session === undefined) return {};
    let connection = this.#bySession.get(session);
    if (!connection) this.#bySession.set(session, (connection = {}));
    return connection;
  }
}
