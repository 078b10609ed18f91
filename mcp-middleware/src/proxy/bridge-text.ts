import { CALL_META, isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import { CALL_HEADER } from "../sign/sign-fetch.ts";

/**
 * True if an HTTP error says that there is no such session: 404, as the specification has it, or the 400 of servers made
 * after the SDK's example. Either way the message was not executed.
 */
export function isSessionLost(status: number, text: string): boolean {
  if (status === 404) return true;
  const message = member(member(parse(text), "error"), "message");
  return status === 400 && typeof message === "string" && /\bsession id\b/i.test(message);
}

/** The proof of a signed message, for the header. */
export function proofHeader(body: JsonObject): Record<string, string> {
  const meta = member(body["params"], "_meta");
  const token = member(isJsonObject(meta) ? meta : undefined, CALL_META);
  return typeof token === "string" ? { [CALL_HEADER]: token } : {};
}

export function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** JSON text on one line: between its tokens a line break is a space, and inside them there is none. */
export function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, " ").trim() : text;
}
