import type { JsonObject } from "@peerage/core";
import type { DecisionRecord, Guard } from "../guard/types.ts";
import { readMessage, settledText, settleResponse, unreadableList } from "../proxy/answer.ts";
import { holdsList, idOf, isListMethod, isResponse } from "../proxy/json-rpc.ts";
import { applyEdits } from "../proxy/splice.ts";
import { editsInEvent, parseSseEvent, SseSplitter } from "../proxy/sse.ts";
import { abortedBy, Admitting } from "./admitting.ts";
import { type AuthInfo, authInfoFor, runAs } from "./caller.ts";
import type { GuardTransportOptions } from "./guard-transport.ts";
import { judgeRequest, readLimited, responseOf, SessionConnections } from "./http-request.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What SDK 2's `createMcpHandler().fetch` takes beside the request; other handlers take no more than the request. */
export interface FetchHandlerOptions {
  readonly authInfo?: AuthInfo | undefined;
  readonly parsedBody?: unknown;
}
/** A fetch handler; it is given what was parsed, so that nobody parses twice. */
export type FetchHandler = (request: Request, options?: FetchHandlerOptions) => Response | Promise<Response>;

/**
 * Puts a guard before a fetch handler that serves one MCP endpoint: SDK 2's `createMcpHandler().fetch`, Hono, Workers.
 * Required there: a hook on the per-request instances does not see `subscriptions/listen`. The handler gets exactly the
 * message that was verified, as `parsedBody` and as the request's body.
 */
export function guardFetch(
  handler: { (request: Request, options?: never): Response | Promise<Response> },
  guard: Guard,
  options: GuardTransportOptions = {},
): FetchHandler {
  const handle = handler as FetchHandler;
  const connections = new SessionConnections();
  const admitting = new Admitting();
  return async (request, given) => {
    const connection = connections.of(request.headers.get("mcp-session-id") ?? undefined);
    const abort = abortedBy(request.signal);
    let done = (): void => undefined;
    const verdict = await judgeRequest(guard, {
      method: request.method,
      header: (name) => request.headers.get(name) ?? undefined,
      connection,
      signal: abort.signal,
      onPending: (id) => (done = admitting.begin(connection, id, abort)),
      parsedBody: given?.parsedBody,
      readBody: async (maxBytes) => (request.body ? readLimited(request.body, maxBytes) : new Uint8Array()),
    });
    done();
    if (verdict.kind === "answer") return responseOf(verdict);
    const { admission, context } = verdict;
    if (!admission) return withoutLists(await handle(request, given));
    const { caller, decision, message } = admission;
    if (abort.signal.aborted) {
      // The client left, or cancelled, before the verdict: nobody waits for an answer.
      guard.abandon(decision, "cancelled");
      return new Response(null, { status: 202 });
    }
    if (decision.method === "notifications/cancelled" && admitting.cancel(connection, message)) {
      return new Response(null, { status: 202 });
    }
    try {
      const authInfo = authInfoFor(given?.authInfo, (options.authInfo ?? true) ? caller : undefined);
      const passedOn = { ...given, parsedBody: message, ...(authInfo ? { authInfo } : {}) };
      const response = await runAs(caller, () => handle(withBody(request, JSON.stringify(message)), passedOn));
      const session = response.headers.get("mcp-session-id");
      if (decision.method === "initialize" && session !== null) guard.openSession(session, context, caller);
      return decision.requestId === undefined ? response : await settled(guard, decision, response);
    } catch (error) {
      guard.abandon(decision, "errored");
      throw error;
    }
  };
}

function withBody(request: Request, body: string): Request {
  const { method, signal } = request;
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  return new Request(request.url, { method, headers, body, signal });
}

async function settled(guard: Guard, decision: DecisionRecord, response: Response): Promise<Response> {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "text/event-stream" && response.body) {
    return withContent(response, response.body.pipeThrough(settleEvents(guard, decision)));
  }
  const raw = new Uint8Array(await response.arrayBuffer());
  const read = readMessage(raw);
  if (read && isResponse(read.message) && idOf(read.message) === decision.requestId) {
    return withContent(
      response,
      settledText(read.text, await settleResponse(guard, decision, read.text, read.message)),
    );
  }
  guard.abandon(decision, "errored");
  if (response.ok && isListMethod(decision.method))
    return withContent(response, JSON.stringify(unreadableList(decision.requestId ?? null)));
  return withContent(response, raw.length === 0 ? null : raw);
}

function withContent(response: Response, body: string | Bytes | ReadableStream<Bytes> | null): Response {
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
}

/**
 * A GET stream that is resumed may bring the answer to an earlier request again. For whom a list was filtered is not known
 * any more, so an error stands in its place; all else keeps every byte.
 */
function withoutLists(response: Response): Response {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "text/event-stream" || !response.body) return response;
  return withContent(response, response.body.pipeThrough(eventsThrough(refuseList)));
}

function refuseList(raw: Buffer): Buffer {
  const event = parseSseEvent(raw);
  const read = event?.data === undefined ? undefined : readMessage(Buffer.from(event.data));
  if (!read || !isResponse(read.message) || !holdsList(read.message)) return raw;
  return eventOf(unreadableList(idOf(read.message) ?? null), event?.id);
}

function eventOf(message: JsonObject, id: string | undefined): Buffer {
  return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`);
}

type Transformer = NonNullable<ConstructorParameters<typeof TransformStream<Bytes, Bytes>>[0]>;

/** Passes a stream on event by event; the one that answers the request is settled, the others keep every byte. */
function settleEvents(guard: Guard, decision: DecisionRecord): TransformStream<Bytes, Bytes> {
  let isAnswered = false;
  const abandon = (): void => {
    if (!isAnswered) guard.abandon(decision, "abandoned");
    isAnswered = true;
  };
  const settle = async (raw: Buffer): Promise<Buffer> => {
    const event = parseSseEvent(raw);
    const read = event?.data === undefined ? undefined : readMessage(Buffer.from(event.data));
    if (!event || !read || !isResponse(read.message)) return raw;
    if (idOf(read.message) !== decision.requestId) return refuseList(raw);
    isAnswered = true;
    const result = await settleResponse(guard, decision, read.text, read.message);
    if (result.kind === "edits") return Buffer.from(applyEdits(event.text, editsInEvent(event, result.edits)));
    return eventOf(result.reply, event.id);
  };
  return eventsThrough(settle, abandon);
}

/** Passes a stream on, each whole event through `change`; `ended` is called when it ends or nobody reads it any more. */
function eventsThrough(
  change: (event: Buffer) => Buffer | Promise<Buffer>,
  ended: () => void = () => undefined,
): TransformStream<Bytes, Bytes> {
  const events: Buffer[] = [];
  const splitter = new SseSplitter({ onEvent: (raw) => events.push(raw), onPiece: (raw) => events.push(raw) });
  // `cancel` is part of the standard and of every runtime here, and missing in the types.
  const transformer: Transformer & { readonly cancel: () => void } = {
    async transform(chunk, controller) {
      splitter.push(Buffer.from(chunk));
      for (const raw of events.splice(0)) controller.enqueue(new Uint8Array(await change(raw)));
    },
    flush(controller) {
      const rest = splitter.end();
      if (rest.length > 0) controller.enqueue(new Uint8Array(rest));
      ended();
    },
    cancel: ended,
  };
  return new TransformStream(transformer);
}
