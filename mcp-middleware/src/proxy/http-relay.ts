import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { JsonObject } from "@peerage/core";
import type { DecisionRecord, Guard } from "../guard/types.ts";
import { readMessage, settledText, settleResponse, unreadableList } from "./answer.ts";
import { ByteQueue } from "./byte-queue.ts";
import { forwardedResponseHeaders, mediaType } from "./http-headers.ts";
import { sendJson } from "./http-io.ts";
import type { Exchanges } from "./http-sessions.ts";
import { holdsList, idOf, isListMethod, isResponse, upstreamReply } from "./json-rpc.ts";
import { OrderedWriter } from "./ordered-writer.ts";
import { applyEdits } from "./splice.ts";
import { editsInEvent, parseSseEvent, type SseEvent, SseSplitter } from "./sse.ts";

/** A JSON body of more bytes than this passes unread: 32 MiB. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

export interface RelayContext {
  readonly guard: Guard;
  /** The requests of this session, or of this exchange alone. */
  readonly exchanges: Exchanges;
  /** The request that is answered; undefined for a notification, a response, GET and DELETE. */
  readonly decision: DecisionRecord | undefined;
  /** A comment is sent after this much silence. */
  readonly keepAliveMs: number;
  readonly log: (line: string) => void;
}

/** Sends a server's response to the client: bytes as received, but for what the guard puts into answers. */
export function relayResponse(upstream: IncomingMessage, response: ServerResponse, context: RelayContext): void {
  const headers = forwardedResponseHeaders(upstream.rawHeaders);
  const body = decoded(upstream, headers);
  const status = upstream.statusCode ?? 502;
  const type = mediaType(upstream.headers["content-type"]);
  response.sendDate = upstream.headers.date === undefined;
  if (type === "text/event-stream") {
    delete headers["content-length"];
    const relay = new SseRelay(body, response, context);
    relay.gather();
    response.writeHead(status, headers);
    response.flushHeaders();
    relay.start();
  } else if (type === "application/json" && context.decision) {
    delete headers["content-length"];
    relayJson(body, response, { ...context, decision: context.decision }, status, headers);
  } else if (context.decision && isListMethod(context.decision.method) && status < 300) {
    // Whatever it is, it is no list that could be filtered.
    body.on("error", () => undefined);
    body.resume();
    fail(context);
    sendJson(response, 200, unreadableList(context.decision.requestId ?? null));
  } else {
    response.writeHead(status, headers);
    response.flushHeaders();
    body.on("error", () => {
      fail(context);
      response.destroy();
    });
    body.pipe(response);
    body.on("end", () => fail(context));
  }
}

/** The body without its content encoding: we asked for none, but not every server listens. */
function decoded(upstream: IncomingMessage, headers: Record<string, string | string[]>): Readable {
  const encoding = upstream.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const decoder =
    encoding === "gzip" || encoding === "x-gzip"
      ? createGunzip()
      : encoding === "deflate"
        ? createInflate()
        : encoding === "br"
          ? createBrotliDecompress()
          : undefined;
  if (!decoder) return upstream;
  delete headers["content-encoding"];
  delete headers["content-length"];
  upstream.on("error", (error) => decoder.destroy(error));
  return upstream.pipe(decoder);
}

/** The request got no answer that could be read. */
function fail({ decision, exchanges, guard }: RelayContext): void {
  if (!decision || !exchanges.waits(decision)) return;
  exchanges.take(decision.requestId ?? "");
  guard.abandon(decision, "errored");
}

/** A JSON body is read whole, settled and sent. One that cannot be read passes whole, unless it may be a list. */
function relayJson(
  body: Readable,
  response: ServerResponse,
  context: RelayContext & { readonly decision: DecisionRecord },
  status: number,
  headers: Record<string, string | string[]>,
): void {
  const { decision, exchanges, guard } = context;
  const held = new ByteQueue();
  const send = (code: number, content: string | Buffer): void => {
    if (response.headersSent) return;
    response.writeHead(code, { ...headers, "content-length": Buffer.byteLength(content) });
    response.end(content);
  };
  body.on("error", () => {
    fail(context);
    // A part of a long answer is out already; that it broke off can only be seen from the connection.
    if (response.headersSent && !response.writableEnded) response.destroy();
    send(200, JSON.stringify(upstreamReply(decision.requestId ?? null, "the server broke off its answer.")));
  });
  const keep = (chunk: Buffer): void => {
    held.push(chunk);
    if (held.length <= MAX_BODY_BYTES) return;
    fail(context);
    body.off("data", keep);
    body.off("end", settle);
    if (isListMethod(decision.method)) {
      body.resume();
      send(200, JSON.stringify(unreadableList(decision.requestId ?? null)));
      return;
    }
    context.log("an answer is too long to be receipted");
    response.writeHead(status, headers);
    response.write(held.take());
    body.pipe(response);
  };
  const settle = (): void => {
    const raw = held.take();
    const read = readMessage(raw);
    const id = read && isResponse(read.message) ? idOf(read.message) : undefined;
    if (!read || id === undefined || id !== decision.requestId || !exchanges.waits(decision)) {
      const isList = isListMethod(decision.method) && status < 300;
      fail(context);
      if (isList) send(200, JSON.stringify(unreadableList(decision.requestId ?? null)));
      else send(status, raw);
      return;
    }
    exchanges.take(id);
    void settleResponse(guard, decision, read.text, read.message).then((settled) => {
      send(status, settledText(read.text, settled));
    });
  };
  body.on("data", keep);
  body.on("end", settle);
}

/** Passes an event stream on, event by event. */
class SseRelay {
  readonly #body: Readable;
  readonly #response: ServerResponse;
  readonly #context: RelayContext;
  readonly #writer: OrderedWriter;
  readonly #splitter: SseSplitter;
  #timer: NodeJS.Timeout | undefined;
  #resumable = false;
  #gathering = false;

  constructor(body: Readable, response: ServerResponse, context: RelayContext) {
    this.#body = body;
    this.#response = response;
    this.#context = context;
    this.#writer = new OrderedWriter(response, (full) => (full ? body.pause() : body.resume()));
    this.#splitter = new SseSplitter({
      onEvent: (raw) => this.#event(raw),
      onPiece: (raw) => this.#piece(raw),
    });
  }

  start(): void {
    this.#body.on("data", (chunk: Buffer) => {
      this.gather();
      this.#splitter.push(chunk);
    });
    this.#body.on("end", () => this.#end(this.#splitter.end()));
    this.#body.on("error", () => this.#end(Buffer.alloc(0)));
    this.#response.on("close", () => this.#closed());
    this.#watchSilence();
  }

  /**
   * What is written in this turn of the event loop goes out at once: head, first event and answer often come together,
   * and each write of its own would cost the guard as much as checking a signature.
   */
  gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    // Not the response itself: Node ends a corked one before its last chunks.
    const { socket } = this.#response;
    socket?.cork();
    setImmediate(() => {
      this.#gathering = false;
      socket?.uncork();
    });
  }

  #watchSilence(): void {
    this.#timer = setTimeout(() => {
      // A comment, never data: it means nothing to the client and keeps hops from taking silence for death.
      if (this.#splitter.atBoundary) this.#writer.write(":\n\n");
      this.#timer?.refresh();
    }, this.#context.keepAliveMs);
    this.#timer.unref();
  }

  #stopWatching(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #write(piece: string | Buffer | Promise<string>): void {
    this.#writer.write(piece);
    this.#timer?.refresh();
  }

  /** A part of an event that is too long to be read; a list does not pass unread. */
  #piece(raw: Buffer): void {
    const { decision } = this.#context;
    if (decision && isListMethod(decision.method)) this.#unreadable(Buffer.alloc(0));
    else this.#write(raw);
  }

  #event(raw: Buffer): void {
    const event = parseSseEvent(raw);
    if (event?.id !== undefined) this.#resumable = true;
    if (event && (event.data === undefined || event.data === "")) {
      this.#write(raw);
      return;
    }
    const read = event?.data === undefined ? undefined : readMessage(Buffer.from(event.data));
    if (!event || !read) {
      this.#unreadable(raw);
      return;
    }
    if (isResponse(read.message)) this.#answer(raw, event, read.text, read.message);
    else this.#write(raw);
  }

  #answer(raw: Buffer, event: SseEvent, text: string, message: JsonObject): void {
    const { exchanges, guard, log } = this.#context;
    const id = idOf(message);
    const decision = id === undefined ? undefined : exchanges.take(id);
    if (id === undefined || decision === undefined) {
      const edits = id === undefined ? undefined : exchanges.replayed(id, text);
      if (edits) this.#write(applyEdits(event.text, editsInEvent(event, edits)));
      else if (holdsList(message)) log("dropped a list that nobody waits for");
      else this.#write(raw);
      return;
    }
    const settled = settleResponse(guard, decision, text, message);
    this.#write(
      settled.then((result) => {
        if (result.kind === "replaced") return eventOf(result.reply, event.id);
        if (event.id !== undefined) exchanges.answered(id, text, result.edits);
        return applyEdits(event.text, editsInEvent(event, result.edits));
      }),
    );
  }

  #unreadable(raw: Buffer): void {
    const { decision, exchanges } = this.#context;
    if (decision && isListMethod(decision.method) && exchanges.waits(decision)) {
      fail(this.#context);
      this.#write(eventOf(unreadableList(decision.requestId ?? null), undefined));
    } else {
      this.#write(raw);
    }
  }

  #end(rest: Buffer): void {
    this.#stopWatching();
    const { decision, exchanges } = this.#context;
    if (rest.length > 0) this.#write(rest);
    if (decision && exchanges.waits(decision) && !this.#resumable) {
      fail(this.#context);
      // The server may end a subscription whenever it likes; every other request is owed an answer.
      if (decision.method !== "subscriptions/listen") {
        const reply = upstreamReply(decision.requestId ?? null, "the server ended its stream without an answer.");
        this.#write(`${rest.length > 0 ? "\n\n" : ""}${eventOf(reply, undefined)}`);
      }
    } else if (decision && exchanges.waits(decision)) {
      this.#keepForResume(decision);
    }
    this.#stopWatching();
    this.#writer.end();
  }

  /** The client went away in mid-stream. */
  #closed(): void {
    this.#stopWatching();
    const { decision, exchanges, guard } = this.#context;
    if (!decision || !exchanges.waits(decision)) return;
    if (this.#resumable) {
      this.#keepForResume(decision);
    } else {
      exchanges.take(decision.requestId ?? "");
      guard.abandon(decision, "cancelled");
    }
  }

  #keepForResume(decision: DecisionRecord): void {
    const { exchanges, guard } = this.#context;
    exchanges.expireLater(decision, (late) => guard.abandon(late, "abandoned"));
  }
}

/** A message as one event. */
export function eventOf(message: JsonObject, id: string | undefined): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`;
}
