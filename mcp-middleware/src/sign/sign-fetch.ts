import {
  CALL_META,
  canonicalAudience,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
  type Signer,
  signHttpRequest,
  utf8,
} from "@peerage/core";
import { parseSseEvent, SseSplitter } from "../proxy/sse.ts";
import type { CallSigner } from "./call-signer.ts";

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Header that carries the proof of what has no `params`. */
export const CALL_HEADER = "peerage-call";

/** Which requests are signed, and how. */
export interface SignFetchOptions {
  /** The MCP endpoint. Requests to any other URL, such as OAuth discovery, are left alone. */
  readonly endpoint: string | URL;
  /** Where a hop on the way strips `_meta` (`peerage doctor` finds it): proofs of POST go into the header as well. */
  readonly proofInHeader?: boolean;
  /**
   * Signs the HTTP request as well (RFC 9421, `tag="peerage"`), for a gateway or server that looks at requests and not into
   * them. It stands beside the proof and never for it.
   */
  readonly httpSigner?: Signer;
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
    const signed = await signRequest(readRequest(input, init), signer, options.proofInHeader === true);
    if (options.httpSigner) await signHead(signed, options.httpSigner, `${endpoint}${search}`);
    // A redirect would carry the proof, and perhaps a bearer token, to a place that nobody named.
    return observed(await fetch(url, { ...init, ...signed, redirect: "manual" }), signer);
  };
}

function isHttp(url: URL): boolean {
  return (url.protocol === "https:" || url.protocol === "http:") && url.username === "" && url.password === "";
}

interface Outgoing {
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
  readonly text: () => string | Promise<string>;
}

/** What is sent. Both SDKs hand over a URL, and a body as text: then no `Request` need be made, which costs much. */
function readRequest(input: string | URL | Request, init: RequestInit | undefined): Outgoing {
  const body = init?.body ?? "";
  if (!(input instanceof Request) && typeof body === "string") {
    const { method = "GET", headers, signal } = init ?? {};
    return { method: method.toUpperCase(), headers: new Headers(headers), signal, text: () => body };
  }
  const request = new Request(input, init);
  const { method, headers, signal } = request;
  return { method, headers: new Headers(headers), signal, text: () => request.text() };
}

/** What will be sent. */
interface Signed extends RequestInit {
  readonly method: string;
  readonly headers: Headers;
  readonly body?: string;
}

/** Adds `Content-Digest`, `Signature-Input` and `Signature` over what will be sent. */
async function signHead({ method, headers, body = "" }: Signed, signer: Signer, targetUri: string): Promise<void> {
  if (method === "POST" && !headers.has("content-type")) headers.set("content-type", "application/json");
  const header = (name: string): string | undefined => headers.get(name) ?? undefined;
  const added = await signHttpRequest(signer, { method, targetUri, header, body: utf8(body) });
  for (const [name, value] of Object.entries(added)) headers.set(name, value);
}

async function signRequest(request: Outgoing, signer: CallSigner, inHeader: boolean): Promise<Signed> {
  const { method, headers, signal } = request;
  const base = { method, headers, ...(signal ? { signal } : {}) };
  if (headers.has(CALL_HEADER)) {
    const text = await request.text();
    return text === "" ? base : { ...base, body: text };
  }
  if (request.method === "GET" || request.method === "DELETE") {
    const token = await signer.signHeader(streamSubject(request.method, (name) => headers.get(name)));
    if (token !== undefined) headers.set(CALL_HEADER, token);
    return base;
  }
  const text = await request.text();
  if (request.method !== "POST") return text === "" ? base : { ...base, body: text };
  const message = parseJson(text);
  if (!isJsonObject(message)) return { ...base, body: text };
  if (Object.hasOwn(message, "method")) {
    const signed = await signer.sign(message);
    const meta = member(signed["params"], "_meta");
    const token = member(isJsonObject(meta) ? meta : undefined, CALL_META);
    if (inHeader && typeof token === "string") headers.set(CALL_HEADER, token);
    return { ...base, body: JSON.stringify(signed) };
  }
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

type Bytes = Uint8Array<ArrayBuffer>;

/** The same response, whose messages are shown to the signer as they are read. */
function observed(response: Response, signer: CallSigner): Response {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (!response.body || (type !== "application/json" && type !== "text/event-stream")) return response;
  const body = watched(
    response.body as ReadableStream<Bytes>,
    type === "application/json" ? whole(signer) : events(signer),
  );
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}

interface Watcher {
  readonly chunk: (bytes: Bytes) => void;
  readonly end: () => void;
}

/** The same bytes at the same pace; each is handed on before it is looked at. */
function watched(body: ReadableStream<Bytes>, watcher: Watcher): ReadableStream<Bytes> {
  const reader = body.getReader();
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          watcher.end();
        } else {
          controller.enqueue(value);
          watcher.chunk(value);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function events(signer: CallSigner): Watcher {
  const splitter = new SseSplitter({ onEvent: (raw) => see(signer, parseSseEvent(raw)?.data) });
  return { chunk: (bytes) => splitter.push(Buffer.from(bytes)), end: () => undefined };
}

function whole(signer: CallSigner): Watcher {
  const chunks: Bytes[] = [];
  return { chunk: (bytes) => void chunks.push(bytes), end: () => see(signer, Buffer.concat(chunks).toString()) };
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
