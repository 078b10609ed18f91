import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Writable } from "node:stream";
import type { JsonObject } from "@peerage/core";
import { readMessage } from "./answer.ts";
import { ByteQueue } from "./byte-queue.ts";
import { mediaType } from "./http-headers.ts";
import { header } from "./http-io.ts";
import { type RequestId, upstreamReply } from "./json-rpc.ts";

/**
 * Lets the guard itself speak on the response to a POST before the server behind it does: a legacy caller is asked on its
 * call's own stream. The first message opens that stream; whatever answers the call then goes into it, as an event.
 */
export class EarlyStream {
  readonly #response: ServerResponse;
  #opened: OpenedStream | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Sends a message of the guard's own, unless the caller has gone. */
  send(message: JsonObject): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    this.#opened ??= new OpenedStream(this.#response);
    this.#response.write(eventOf(JSON.stringify(message)));
  }

  /** Where the answer to this request goes: the response, or the stream in it once that is open. */
  answerTo(id: RequestId | undefined): ServerResponse {
    if (!this.#opened) return this.#response;
    this.#opened.requestId = id;
    // It has what the relay uses of a response, and a response it is to whoever holds it.
    return this.#opened as unknown as ServerResponse;
  }
}

/** True if a client can read an answer as an event stream. */
export function acceptsEvents(request: IncomingMessage): boolean {
  return header(request, "accept")?.includes("text/event-stream") === true;
}

/**
 * The rest of a response whose event stream is open already, as if it had not begun: an event stream goes on in it, any
 * other body becomes one event, and what is no JSON-RPC message an error in its place.
 */
class OpenedStream extends Writable {
  headersSent = false;
  sendDate = true;
  requestId: RequestId | undefined;
  readonly #response: ServerResponse;
  readonly #held = new ByteQueue();
  #isEvents = false;

  constructor(response: ServerResponse) {
    super();
    this.#response = response;
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.once("close", () => {
      if (!response.writableFinished) this.destroy();
    });
    this.on("error", () => undefined);
  }

  /** The status is told already; only the kind of the body matters. */
  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    this.headersSent = true;
    const named = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1];
    this.#isEvents = status < 300 && typeof named === "string" && mediaType(named) === "text/event-stream";
    return this;
  }

  setHeader(): this {
    return this;
  }

  flushHeaders(): void {
    // They are out.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#isEvents) {
      this.#response.write(chunk, done);
      return;
    }
    this.#held.push(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    const raw = this.#held.take();
    if (!this.#isEvents) this.#response.write(eventOf(readMessage(raw)?.text ?? this.#unreadable()));
    this.#response.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#response.writableFinished) this.#response.destroy();
    done(error);
  }

  #unreadable(): string {
    return JSON.stringify(upstreamReply(this.requestId ?? null, "the server gave no answer that can be read."));
  }
}

/** One event; a body of several lines becomes several lines of data. */
function eventOf(text: string): string {
  const data = text.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
  return `event: message\n${data.join("\n")}\n\n`;
}
