import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import { readMessage } from "./answer.ts";
import { endServer, type ServerCommand, type ServerProcess, startServer } from "./child.ts";
import { LineSplitter } from "./framing.ts";
import { sendJson } from "./http-io.ts";
import { idKey, idOf, isResponse, methodOf, type RequestId, toLine, upstreamReply } from "./json-rpc.ts";
import { OrderedWriter } from "./ordered-writer.ts";

const SUBSCRIPTION_META = "io.modelcontextprotocol/subscriptionId";
/** What the server says unasked while no stream is open. */
const MAX_BACKLOG = 256;

/** One HTTP request that waits for the child's answer: a JSON body, or an event stream once something comes before it. */
export class HostedExchange {
  readonly id: RequestId;
  readonly progressToken: string | undefined;
  readonly #response: ServerResponse;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(message: JsonObject, id: RequestId, response: ServerResponse, headers: Readonly<Record<string, string>>) {
    const token = member(member(message["params"], "_meta"), "progressToken");
    this.id = id;
    this.progressToken = typeof token === "string" || typeof token === "number" ? idKey(token) : undefined;
    this.#response = response;
    this.#headers = headers;
  }

  /** Something that belongs to the request and is not its answer. */
  send(text: string): void {
    if (this.#response.destroyed) return;
    if (!this.#response.headersSent) writeStreamHead(this.#response, this.#headers);
    this.#response.write(eventOf(text));
  }

  answer(text: string): void {
    if (this.#response.destroyed) return;
    if (this.#response.headersSent) {
      this.#response.end(eventOf(text));
      return;
    }
    const length = Buffer.byteLength(text);
    this.#response.writeHead(200, { ...this.#headers, "content-type": "application/json", "content-length": length });
    this.#response.end(text);
  }
}

function writeStreamHead(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  response.writeHead(200, { ...headers, "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
}

/** A line of the child as one event; a CR between two tokens would end the line there. */
function eventOf(line: string): string {
  return `event: message\ndata: ${line.replaceAll("\r", " ")}\n\n`;
}

/** One process of a stdio server, which speaks with one caller over HTTP. */
export class HostedChild {
  readonly session: string = randomUUID();
  /** Unix milliseconds. */
  usedAt: number = Date.now();
  readonly #server: ServerProcess;
  readonly #toServer: OrderedWriter;
  readonly #waiting = new Map<string, HostedExchange>();
  readonly #log: (line: string) => void;
  #stream: ServerResponse | undefined;
  #backlog: string[] = [];
  #ended: Promise<void> | undefined;

  /** @param onExit - called when the process is gone and all who waited have their answer */
  constructor(command: ServerCommand, log: (line: string) => void, onExit: () => void) {
    this.#log = log;
    this.#server = startServer(command);
    this.#toServer = new OrderedWriter(this.#server.stdin);
    const splitter = new LineSplitter({
      onLine: (line) => this.#line(line),
      onTooLarge: () => this.#log("a line of the server is too long and was dropped"),
    });
    this.#server.stdout.on("data", (chunk: Buffer) => splitter.push(chunk));
    void this.#server.exited.then(() => {
      this.#lost();
      onExit();
    });
  }

  /** True while somebody waits for an answer or listens. */
  get busy(): boolean {
    return this.#waiting.size > 0 || this.#stream !== undefined;
  }

  get pid(): number | undefined {
    return this.#server.pid;
  }

  /** True if an exchange can begin without two of them having one id or one progress token. */
  isFree({ id, progressToken }: HostedExchange): boolean {
    if (this.#waiting.has(idKey(id))) return false;
    return progressToken === undefined || ![...this.#waiting.values()].some((e) => e.progressToken === progressToken);
  }

  /** Hands on a notification or an answer of the client. */
  send(message: JsonObject): void {
    this.usedAt = Date.now();
    this.#toServer.write(toLine(message));
  }

  request(message: JsonObject, exchange: HostedExchange): void {
    this.#waiting.set(idKey(exchange.id), exchange);
    this.send(message);
  }

  /** The client of a stateless request left: so it cancels. */
  cancel(exchange: HostedExchange): void {
    if (this.#waiting.get(idKey(exchange.id)) !== exchange) return;
    this.#waiting.delete(idKey(exchange.id));
    this.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: exchange.id } });
  }

  /** Opens the stream for what the server says unasked; false if there is one. */
  listen(response: ServerResponse): boolean {
    if (this.#stream) return false;
    this.#stream = response;
    this.usedAt = Date.now();
    writeStreamHead(response, { "mcp-session-id": this.session });
    for (const text of this.#backlog.splice(0)) response.write(eventOf(text));
    response.once("close", () => (this.#stream = undefined));
    return true;
  }

  /** Ends the process: its stdin first, then by signals. */
  end(graceMs?: number): Promise<void> {
    this.#ended ??= endServer(this.#server, {
      busy: () => false,
      ...(graceMs === undefined ? {} : { graceMs }),
    }).then(() => undefined);
    return this.#ended;
  }

  #line(line: Buffer): void {
    const read = readMessage(line);
    if (!read) {
      this.#log("a line of the server is not a JSON object");
      return;
    }
    const { text, message } = read;
    if (!isResponse(message)) {
      this.#unasked(text, message);
      return;
    }
    const id = idOf(message);
    const exchange = id === undefined ? undefined : this.#waiting.get(idKey(id));
    if (id === undefined || !exchange) return;
    this.#waiting.delete(idKey(id));
    this.usedAt = Date.now();
    exchange.answer(text);
  }

  /** A request or notification of the server goes to the request that it belongs to, as far as that can be told. */
  #unasked(text: string, message: JsonObject): void {
    const { params } = message;
    const token = keyOf(methodOf(message) === "notifications/progress" ? member(params, "progressToken") : undefined);
    const subscription = keyOf(member(isJsonObject(params) ? member(params, "_meta") : undefined, SUBSCRIPTION_META));
    const all = [...this.#waiting.values()];
    const owner =
      (token !== undefined ? all.find((e) => e.progressToken === token) : undefined) ??
      (subscription !== undefined ? this.#waiting.get(subscription) : undefined);
    const isRequest = Object.hasOwn(message, "id");
    const stream = this.#stream;
    if (owner) owner.send(text);
    else if (stream && (!isRequest || all.length === 0)) stream.write(eventOf(text));
    else if (all.length > 0) all.at(-1)?.send(text);
    else {
      this.#backlog.push(text);
      if (this.#backlog.length > MAX_BACKLOG) this.#backlog.shift();
    }
  }

  #lost(): void {
    for (const exchange of this.#waiting.values())
      exchange.answer(JSON.stringify(upstreamReply(exchange.id, "the server has ended.")));
    this.#waiting.clear();
    this.#stream?.end();
  }
}

function keyOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" || typeof value === "number" ? idKey(value) : undefined;
}

/** Answers that a child cannot be had. */
export function noChild(response: ServerResponse, id: RequestId | null, why: string): void {
  sendJson(response, 200, upstreamReply(id, why));
}
