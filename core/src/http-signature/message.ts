import { parseDictionary, serializeMember } from "./structured-fields.ts";
import type { Component } from "./signature.ts";

/** An HTTP request as it is judged. */
export interface SignedMessage {
  readonly method: string;
  /** The absolute URL. A verifier takes it from its own configuration, never from `Host`. */
  readonly targetUri: string;
  /** Reads a header by lower-case name; the values of one that came more than once are joined with a comma. */
  readonly header: (name: string) => string | undefined;
  /** The exact bytes; empty if there are none, undefined where they are not known. */
  readonly body: Uint8Array | undefined;
}

/**
 * The value of a component (RFC 9421 section 2), or undefined where the message has none, or it is of a kind that is not
 * read here.
 * @throws {PeerageError} ERR_PROOF_MALFORMED for a header that is not the structured field it is signed as
 */
export function componentValue(message: SignedMessage, { name, parameters }: Component): string | undefined {
  if (name.startsWith("@")) return parameters.size === 0 ? derived(message, name) : undefined;
  const value = message
    .header(name)
    ?.replace(/\s*\r?\n\s*/g, " ")
    .trim();
  if (value === undefined || parameters.size === 0) return value;
  if (parameters.size !== 1) return undefined;
  const key = parameters.get("key");
  const member = typeof key === "string" ? parseDictionary(value).get(key) : undefined;
  return member && serializeMember(member);
}

function derived({ method, targetUri }: SignedMessage, name: string): string | undefined {
  if (name === "@method") return method;
  if (name === "@target-uri") return targetUri;
  const url = new URL(targetUri);
  switch (name) {
    case "@authority":
      return url.host;
    case "@scheme":
      return url.protocol.slice(0, -1);
    case "@path":
      return url.pathname;
    case "@query":
      return url.search === "" ? "?" : url.search;
    case "@request-target":
      return `${url.pathname}${url.search}`;
    default:
      return undefined;
  }
}
