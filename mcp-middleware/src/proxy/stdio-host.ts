import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import type { JsonObject } from "@peerage/core";
import { MAX_BODY_BYTES } from "../guard/guard.ts";
import { readMessage } from "./answer.ts";
import type { ServerCommand } from "./child.ts";
import { HostedChild, HostedExchange, noChild } from "./hosted-child.ts";
import { CALLER_HEADER } from "./http-headers.ts";
import { header, readBody, sendJson } from "./http-io.ts";
import { errorReply, idOf, methodOf, rpcCodes } from "./json-rpc.ts";
import { modernVersion } from "./mcp-headers.ts";

/** The stdio server that is hosted, and how many processes of it. */
export interface StdioHostOptions extends ServerCommand {
  /** Processes at once; 64. Where all are busy, the next one is refused. */
  readonly maxChildren?: number;
  /** Processes of one caller at once; 8. */
  readonly maxPerCaller?: number;
  /** A process that nobody has used for so long is ended; 30 min. */
  readonly idleMs?: number;
  /** See `endServer`. */
  readonly graceMs?: number;
  readonly log?: (line: string) => void;
}

/** A stdio server as the Streamable HTTP server that it is not, for an HTTP guard and for nobody else. */
export interface StdioHost extends AsyncDisposable {
  /** The way in: a connection in this process, so there is no port by which the guard could be passed by. */
  readonly connect: () => Duplex;
  /** Ids of the processes that run. */
  pids(): readonly number[];
}

/**
 * Runs a command for HTTP clients, so that no two callers ever share a process. A legacy session is one process, from its
 * `initialize` to its DELETE. What comes without a session (2026-07-28 and later) goes to a process of its caller; if an
 * id or progress token is in use there, to another one of the same caller, so that ids never need to be rewritten.
 */
export function startStdioHost(options: StdioHostOptions): StdioHost {
  const host = new Host(options);
  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => host.handle(request, response));
  server.requestTimeout = 0;
  return {
    connect: () => {
      const [near, far] = duplexPair();
      // A side that is destroyed does not tell the other by itself, and a client that left would never be noticed.
      near.once("close", () => far.destroy());
      far.once("close", () => near.destroy());
      server.emit("connection", far);
      return near;
    },
    pids: () => host.pids(),
    [Symbol.asyncDispose]: () => host.close(),
  };
}

class Host {
  readonly #options: StdioHostOptions;
  readonly #log: (line: string) => void;
  readonly #children = new Map<HostedChild, { readonly caller: string; readonly isSession: boolean }>();
  readonly #bySession = new Map<string, HostedChild>();
  readonly #sweeper: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: StdioHostOptions) {
    this.#options = options;
    this.#log = options.log ?? ((line) => void process.stderr.write(`peerage guard: ${line}\n`));
    const idleMs = options.idleMs ?? 1_800_000;
    this.#sweeper = setInterval(() => this.#sweep(Date.now() - idleMs), Math.min(idleMs, 60_000)).unref();
  }

  pids(): readonly number[] {
    return [...this.#children.keys()].map(({ pid }) => pid).filter((pid) => pid !== undefined);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    await Promise.all([...this.#children.keys()].map((child) => child.end(this.#options.graceMs)));
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => undefined);
    if (request.method !== "POST") {
      this.#other(request, response);
      return;
    }
    this.#post(request, response).catch((error: unknown) => {
      this.#log(error instanceof Error ? error.message : "a request failed");
      response.destroy();
    });
  }

  #other(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const session = header(request, "mcp-session-id");
    const child = session === undefined ? undefined : this.#bySession.get(session);
    if (session === undefined) response.writeHead(405, { allow: "POST" }).end();
    else if (!child) response.writeHead(404).end();
    else if (request.method === "DELETE") {
      this.#forget(child);
      void child.end(this.#options.graceMs);
      response.writeHead(204).end();
    } else if (!child.listen(response)) response.writeHead(409).end();
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_BODY_BYTES);
    const message = body && readMessage(body)?.message;
    if (!message) {
      sendJson(response, 400, errorReply(null, rpcCodes.parse, "ERR_JSON_SYNTAX", "this is no message."));
      return;
    }
    const session = header(request, "mcp-session-id");
    const caller = header(request, CALLER_HEADER) ?? "";
    if (session !== undefined) this.#inSession(session, message, response);
    else if (methodOf(message) === "initialize") this.#initialize(message, caller, response);
    else if (modernVersion(message) !== undefined) this.#stateless(message, caller, response);
    else
      sendJson(response, 400, errorReply(idOf(message) ?? null, -32000, "ERR_MESSAGE_INVALID", "there is no session."));
  }

  #inSession(session: string, message: JsonObject, response: ServerResponse): void {
    const child = this.#bySession.get(session);
    const id = methodOf(message) === undefined ? undefined : idOf(message);
    if (!child) {
      sendJson(response, 404, errorReply(id ?? null, -32001, "ERR_NOT_FOUND", "there is no such session."));
    } else if (id === undefined) {
      child.send(message);
      response.writeHead(202).end();
    } else {
      child.request(message, new HostedExchange(message, id, response, {}));
    }
  }

  #initialize(message: JsonObject, caller: string, response: ServerResponse): void {
    const id = idOf(message);
    const child = id === undefined ? undefined : this.#start(caller, true);
    if (id === undefined || !child) {
      noChild(response, id ?? null, "too many servers are running.");
      return;
    }
    this.#bySession.set(child.session, child);
    child.request(message, new HostedExchange(message, id, response, { "mcp-session-id": child.session }));
  }

  #stateless(message: JsonObject, caller: string, response: ServerResponse): void {
    const id = idOf(message);
    if (id === undefined) {
      // A notification without a session concerns nothing that is known here; cancelling is done by leaving.
      response.writeHead(202).end();
      return;
    }
    const exchange = new HostedExchange(message, id, response, {});
    const mine = [...this.#children].filter(([, { caller: of, isSession }]) => of === caller && !isSession);
    const child = mine.map(([one]) => one).find((one) => one.isFree(exchange)) ?? this.#start(caller, false);
    if (!child) {
      noChild(response, id, "too many servers are running.");
      return;
    }
    response.once("close", () => {
      if (!response.writableFinished) child.cancel(exchange);
    });
    child.request(message, exchange);
  }

  /** A new process, if there is room or room can be made by ending one that nobody uses. */
  #start(caller: string, isSession: boolean): HostedChild | undefined {
    if (this.#isClosed) return undefined;
    const { maxChildren = 64, maxPerCaller = 8 } = this.#options;
    const mine = [...this.#children].filter(([, known]) => known.caller === caller).map(([child]) => child);
    if (mine.length >= maxPerCaller && !this.#endIdle(mine)) return undefined;
    if (this.#children.size >= maxChildren && !this.#endIdle([...this.#children.keys()])) return undefined;
    const child: HostedChild = new HostedChild(this.#options, this.#log, () => this.#forget(child));
    this.#children.set(child, { caller, isSession });
    return child;
  }

  #endIdle(among: readonly HostedChild[]): boolean {
    const [oldest] = among.filter(({ busy }) => !busy).sort((a, b) => a.usedAt - b.usedAt);
    if (!oldest) return false;
    this.#forget(oldest);
    void oldest.end(this.#options.graceMs);
    return true;
  }

  #sweep(before: number): void {
    for (const child of this.#children.keys()) {
      if (child.busy || child.usedAt > before) continue;
      this.#forget(child);
      void child.end(this.#options.graceMs);
    }
  }

  #forget(child: HostedChild): void {
    this.#children.delete(child);
    this.#bySession.delete(child.session);
  }
}
