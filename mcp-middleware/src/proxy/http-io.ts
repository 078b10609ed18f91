import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode, JsonValue } from "@peerage/core";
import { ByteQueue } from "./byte-queue.ts";

/** A request header, once it is known that it came once. */
export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The whole body, or undefined if it is over the limit. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const held = new ByteQueue();
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held.push(chunk);
    if (held.length > maxBytes) return undefined;
  }
  return held.take();
}

/** Answers with one JSON document. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonValue,
  type: string = "application/json",
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) }).end(text);
}

/** An RFC 9457 problem document. */
export function sendProblem(response: ServerResponse, status: number, code: ErrorCode, detail: string): void {
  sendJson(
    response,
    status,
    { type: "about:blank", title: "Refused", status, detail, code },
    "application/problem+json",
  );
}
