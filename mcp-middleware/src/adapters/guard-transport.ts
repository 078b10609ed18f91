import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonObject } from "@peerage/core";
import type { Admission, Context, DecisionRecord, Guard, JsonRpcMessage } from "../guard/types.ts";
import { idOf, type RequestId } from "../proxy/json-rpc.ts";
import { abortedBy, Admitting, cancelledId } from "./admitting.ts";
import { type AuthInfo, rememberSender, runAs, withCaller } from "./caller.ts";
import { interceptHandler } from "./intercept.ts";
import { type HttpRequest, type HttpVerdict, judgeRequest, readLimited, responseOf } from "./http-request.ts";

/** What both SDK majors call a server transport, as far as guarding needs it. */
export interface GuardableTransport {
  start(): Promise<void>;
  send(message: never, options?: never): Promise<void>;
  onmessage?: ((message: never, extra?: never) => void) | undefined;
  onclose?: (() => void) | undefined;
}

/** How handlers behind the guard learn who calls. */
export interface GuardTransportOptions {
  /** False: handlers find the caller by `currentCaller()` only, and `authInfo` stays as it came. */
  readonly authInfo?: boolean;
}

type OnMessage = (message: object, extra?: unknown) => void;

/** The parts that are replaced, in a type that both majors' own types convert to. */
interface Loose {
  send(message: JsonRpcMessage, options?: unknown): Promise<void>;
  onmessage?: OnMessage | undefined;
  readonly sessionId?: string | undefined;
  handleRequest?(request: Request | IncomingMessage, second?: unknown, third?: unknown): Promise<Response | undefined>;
}

type Admitted = Admission & { readonly admitted: true };

/** What `handleRequest` has admitted, for the `onmessage` that it leads to. */
interface Passed {
  readonly transport: Loose;
  readonly admission: Admitted | undefined;
  readonly context: Context;
  isUsed: boolean;
}
const passed = new AsyncLocalStorage<Passed | undefined>();

/**
 * Puts a guard into an SDK server's transport: stdio, in-memory and Streamable HTTP of both majors. Nothing reaches the
 * server that the guard did not admit, and everything it answers is receipted and filtered. Returns the same transport;
 * hand it to `server.connect`. For `createMcpHandler` and other fetch handlers use `guardFetch`; for SDK 2's `serveStdio`
 * wrap the instance in `bindInstance` as well.
 */
export function guardTransport<T extends GuardableTransport>(
  transport: T,
  guard: Guard,
  options: GuardTransportOptions = {},
): T {
  const guarded = new GuardedTransport(transport as unknown as Loose, guard, options.authInfo ?? true);
  guarded.install();
  return transport;
}

class GuardedTransport {
  readonly #transport: Loose;
  readonly #guard: Guard;
  readonly #authInfo: boolean;
  readonly #send: Loose["send"];
  readonly #pending = new Map<RequestId, DecisionRecord>();
  readonly #admitting = new Admitting();

  constructor(transport: Loose, guard: Guard, authInfo: boolean) {
    this.#transport = transport;
    this.#guard = guard;
    this.#authInfo = authInfo;
    this.#send = transport.send.bind(transport);
  }

  install(): void {
    const transport = this.#transport;
    interceptHandler<OnMessage>(transport, "onmessage", (handler) => {
      return (message, extra) => this.#receive(message, extra, handler);
    });
    const abandonAll = (): void => {
      for (const decision of this.#pending.values()) this.#guard.abandon(decision, "abandoned");
      this.#pending.clear();
      this.#admitting.cancelAll(transport);
    };
    interceptHandler<() => void>(transport, "onclose", (handler) => () => {
      abandonAll();
      handler.call(transport);
    });
    transport.send = (message, options) => this.#answer(message, options);
    const handle = transport.handleRequest?.bind(transport);
    if (handle) {
      transport.handleRequest = (request, second, third) =>
        request instanceof Request
          ? this.#handleWeb(request, second as WebOptions | undefined, handle)
          : this.#handleNode(request, second as ServerResponse, third, handle);
    }
  }

  #receive(message: object, extra: unknown, onmessage: OnMessage): void {
    const pass = passed.getStore();
    if (pass?.transport === this.#transport && pass.admission && !pass.isUsed) {
      pass.isUsed = true;
      this.#deliver(message, pass.admission, pass.context, extra, onmessage);
      return;
    }
    const abort = new AbortController();
    const context: Context = {
      ...contextOf(this.#transport, extra, (own) => void this.#send(own).catch(ignore)),
      signal: abort.signal,
    };
    const verdict = this.#guard.admit(message, context);
    if (!(verdict instanceof Promise)) {
      this.#decided(verdict, context, extra, onmessage);
      return;
    }
    const done = this.#admitting.begin(this.#transport, idOf(message as JsonObject), abort);
    void verdict.then((admission) => {
      done();
      if (!abort.signal.aborted) this.#decided(admission, context, extra, onmessage);
      else if (admission.admitted) this.#guard.abandon(admission.decision, "cancelled");
    });
  }

  #decided(admission: Admission, context: Context, extra: unknown, onmessage: OnMessage): void {
    if (admission.admitted) this.#deliver(admission.message, admission, context, extra, onmessage);
    // Without an id there is nobody to answer.
    else if (admission.reply && Object.hasOwn(admission.reply, "id")) this.#send(admission.reply).catch(ignore);
  }

  #deliver(message: object, admission: Admitted, context: Context, extra: unknown, onmessage: OnMessage): void {
    const { caller, decision } = admission;
    const { requestId } = decision;
    if (requestId !== undefined) this.#pending.set(requestId, decision);
    if (decision.method === "notifications/cancelled" && this.#cancel(admission.message)) return;
    const { sessionId } = this.#transport;
    if (decision.method === "initialize" && context.transport === "http" && sessionId !== undefined) {
      this.#guard.openSession(sessionId, context, caller);
    }
    rememberSender(message, caller);
    const deliver = (): void =>
      onmessage.call(this.#transport, message, withCaller(extra, this.#authInfo ? caller : undefined));
    // A handler of one parameter is a queue (serveStdio): it would run later messages on behalf of this caller.
    if (onmessage.length < 2) runAs(undefined, deliver);
    else runAs(caller, deliver);
  }

  /**
   * Servers do not answer a cancelled request, so its place is given back now. True if the request never reached the
   * server: there is nothing to tell it.
   */
  #cancel(message: JsonObject): boolean {
    if (this.#admitting.cancel(this.#transport, message)) return true;
    const id = cancelledId(message);
    const decision = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || !decision) return false;
    this.#pending.delete(id);
    this.#guard.abandon(decision, "cancelled");
    return false;
  }

  async #answer(message: JsonRpcMessage, options: unknown): Promise<void> {
    const { id } = message as { id?: string | number };
    if (id === undefined || Object.hasOwn(message, "method")) return this.#send(message, options);
    const decision = this.#pending.get(id);
    // Cancelled meanwhile: nobody waits for it, and for nobody it could be filtered.
    if (!decision) return;
    this.#pending.delete(id);
    // What is receipted is what arrives: members that JSON drops or changes are dropped and changed first.
    const plain = JSON.parse(JSON.stringify(message)) as JsonRpcMessage;
    return this.#send(await this.#guard.settle(decision, plain), options);
  }

  async #handleWeb(request: Request, options: WebOptions | undefined, handle: Handle): Promise<Response | undefined> {
    const verdict = await this.#judge(request.signal, {
      method: request.method,
      header: (name) => request.headers.get(name) ?? undefined,
      parsedBody: options?.parsedBody,
      readBody: async (maxBytes) => (request.body ? readLimited(request.body, maxBytes) : new Uint8Array()),
    });
    if (!verdict) return new Response(null, { status: 202 });
    if (verdict.kind === "answer") return responseOf(verdict);
    const parsedBody = verdict.admission?.message;
    return this.#pass(verdict, () => handle(request, parsedBody ? { ...options, parsedBody } : options));
  }

  async #handleNode(
    request: IncomingMessage,
    response: ServerResponse,
    parsedBody: unknown,
    handle: Handle,
  ): Promise<undefined> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const verdict = await this.#judge(gone.signal, {
      method: request.method ?? "",
      header: (name) => headerText(request.headers[name]),
      parsedBody,
      readBody: (maxBytes) => readLimited(request as AsyncIterable<Uint8Array>, maxBytes),
    });
    if (!verdict) {
      response.writeHead(202).end();
      return undefined;
    }
    if (verdict.kind === "answer") {
      const body = verdict.body === undefined ? undefined : JSON.stringify(verdict.body);
      response.writeHead(verdict.status, { "content-type": verdict.contentType }).end(body);
      return undefined;
    }
    await this.#pass(verdict, () => handle(request, response, verdict.admission?.message ?? parsedBody));
    return undefined;
  }

  /** Undefined if the client left, or cancelled the request, before the verdict: then it goes no further. */
  async #judge(
    gone: AbortSignal,
    request: Omit<HttpRequest, "connection" | "signal">,
  ): Promise<HttpVerdict | undefined> {
    const abort = abortedBy(gone);
    let done = (): void => undefined;
    const verdict = await judgeRequest(this.#guard, {
      ...request,
      connection: this.#transport,
      signal: abort.signal,
      onPending: (id) => (done = this.#admitting.begin(this.#transport, id, abort)),
    });
    done();
    if (!abort.signal.aborted) return verdict;
    if (verdict.kind === "pass" && verdict.admission) this.#guard.abandon(verdict.admission.decision, "cancelled");
    return undefined;
  }

  async #pass(
    verdict: HttpVerdict & { kind: "pass" },
    handle: () => Promise<Response | undefined>,
  ): Promise<Response | undefined> {
    const pass: Passed = {
      transport: this.#transport,
      admission: verdict.admission,
      context: verdict.context,
      isUsed: false,
    };
    try {
      return await passed.run(pass, handle);
    } finally {
      // The transport refused it for reasons of its own, such as an unknown session.
      if (pass.admission && !pass.isUsed) this.#guard.abandon(pass.admission.decision, "errored");
    }
  }
}

interface WebOptions {
  readonly authInfo?: AuthInfo;
  readonly parsedBody?: unknown;
}
type Handle = (request: Request | IncomingMessage, second?: unknown, third?: unknown) => Promise<Response | undefined>;

/** A message that comes without `handleRequest`: by a pipe, or by HTTP if it brings a request along. */
function contextOf(transport: Loose, extra: unknown, send: (message: JsonRpcMessage) => void): Context {
  const { request, requestInfo } = (extra ?? {}) as {
    request?: Request;
    requestInfo?: { headers?: Record<string, unknown> };
  };
  const header = request
    ? (name: string): string | undefined => request.headers.get(name) ?? undefined
    : requestInfo && ((name: string): string | undefined => headerText(requestInfo.headers?.[name]));
  if (!header) return { transport: "stdio", connection: transport, send };
  const session = header("mcp-session-id");
  return { transport: "http", connection: transport, header, ...(session === undefined ? {} : { session }) };
}

/** Repeated headers are joined, so that they equal nothing that was sent once. */
function headerText(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : undefined;
}

/** The connection is gone; who sent the refused message is no longer there. */
function ignore(): void {
  // nothing to do
}
