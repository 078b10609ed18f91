import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode, JsonValue } from "@peerage/core";
import { ByteQueue } from "./byte-queue.ts";

/** A request header, once it is known that it came once. */
export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The whole body, or undefined as soon as it is over the limit. @throws if it breaks off */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const held = new ByteQueue();
    const keep = (chunk: Buffer): void => {
      held.push(chunk);
      if (held.length <= maxBytes) return;
      request.off("data", keep);
      resolve(undefined);
    };
    request.on("data", keep);
    request.once("end", () => resolve(held.take()));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the request broke off")));
  });
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
