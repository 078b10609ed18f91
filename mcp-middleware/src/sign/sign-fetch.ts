import { canonicalAudience, isJsonObject, type JsonObject, type JsonValue, parseJson } from "@peerage/core";
import { parseSseEvent, SseSplitter } from "../proxy/sse.ts";
import type { CallSigner } from "./call-signer.ts";

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Header that carries the proof of what has no `params`. */
export const CALL_HEADER = "peerage-call";

export interface SignFetchOptions {
  /** The MCP endpoint. Requests to any other URL, such as OAuth discovery, are left alone. */
  readonly endpoint: string | URL;
}

/**
 * A `fetch` that signs what goes to one MCP endpoint, for the `fetch` option of both SDK majors' HTTP transports: POST
 * bodies in `_meta`; GET, DELETE and JSON-RPC responses in the header `Peerage-Call`. Every attempt gets a fresh proof.
 * Receipts in the answers are verified on the way; the answers themselves are not changed.
 */
export function signFetch(fetch: Fetch, signer: CallSigner, options: SignFetchOptions): Fetch {
  const endpoint = canonicalAudience(options.endpoint);
  const { search } = new URL(options.endpoint);
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (!isHttp(url) || canonicalAudience(url) !== endpoint || url.search !== search) return await fetch(input, init);
    const signed = await signRequest(new Request(input, init), signer);
    // A redirect would carry the proof, and perhaps a bearer token, to a place that nobody named.
    return observed(await fetch(url, { ...init, ...signed, redirect: "manual" }), signer);
  };
}

function isHttp(url: URL): boolean {
  return (url.protocol === "https:" || url.protocol === "http:") && url.username === "" && url.password === "";
}

async function signRequest(request: Request, signer: CallSigner): Promise<RequestInit> {
  const headers = new Headers(request.headers);
  const base = { method: request.method, headers, signal: request.signal };
  if (headers.has(CALL_HEADER)) return { ...base, ...(request.body ? { body: await request.text() } : {}) };
  if (request.method === "GET" || request.method === "DELETE") {
    const token = await signer.signHeader(streamSubject(request.method, (name) => headers.get(name)));
    if (token !== undefined) headers.set(CALL_HEADER, token);
    return base;
  }
  const text = await request.text();
  if (request.method !== "POST") return text === "" ? base : { ...base, body: text };
  const message = parseJson(text);
  if (!isJsonObject(message)) return { ...base, body: text };
  if (Object.hasOwn(message, "method")) return { ...base, body: JSON.stringify(await signer.sign(message)) };
  const token = await signer.signHeader(responseSubject(message));
  if (token !== undefined) headers.set(CALL_HEADER, token);
  return { ...base, body: JSON.stringify(message) };
}

/** What the header proof of a GET or DELETE is about (mcp.md section 6). */
export function streamSubject(
  method: "GET" | "DELETE",
  header: (name: string) => string | null | undefined,
): { readonly method: "http/get" | "http/delete"; readonly params: JsonObject } {
  const session = header("mcp-session-id");
  const lastEventId = method === "GET" ? header("last-event-id") : undefined;
  return {
    method: method === "GET" ? "http/get" : "http/delete",
    params: { ...(session == null ? {} : { session }), ...(lastEventId == null ? {} : { lastEventId }) },
  };
}

/** What the header proof of a JSON-RPC response by POST is about. */
export function responseSubject(response: JsonValue): { readonly method: "http/response"; readonly params: JsonValue } {
  return { method: "http/response", params: response };
}

/** The same response, whose messages are shown to the signer as they are read. */
function observed(response: Response, signer: CallSigner): Response {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (!response.body || (type !== "application/json" && type !== "text/event-stream")) return response;
  const observer = type === "application/json" ? jsonObserver(signer) : sseObserver(signer);
  const body = response.body.pipeThrough(observer);
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}

function sseObserver(signer: CallSigner): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const splitter = new SseSplitter({ onEvent: (raw) => see(signer, parseSseEvent(raw)?.data) });
  return new TransformStream({
    transform(chunk, controller) {
      splitter.push(Buffer.from(chunk));
      controller.enqueue(chunk);
    },
  });
}

function jsonObserver(signer: CallSigner): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  return new TransformStream({
    transform(chunk, controller) {
      chunks.push(chunk);
      controller.enqueue(chunk);
    },
    flush() {
      see(signer, Buffer.concat(chunks).toString());
    },
  });
}

function see(signer: CallSigner, text: string | undefined): void {
  if (text === undefined || text === "") return;
  let message: JsonValue;
  try {
    message = JSON.parse(text) as JsonValue;
  } catch {
    return;
  }
  signer.received(message);
}
