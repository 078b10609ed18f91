import { PeerageError } from "../errors.ts";

/** The text of a SPIFFE ID that {@link parseSpiffeId} accepted. Compared byte by byte, never normalised. */
export type SpiffeId = `spiffe://${string}`;

/** A SPIFFE ID is at most this long, in bytes; all of them ASCII. */
export const MAX_SPIFFE_ID_BYTES = 2_048;

/** A SPIFFE ID and its two parts. */
export interface SpiffeIdParts {
  readonly id: SpiffeId;
  /** Lower-case letters, digits, `.`, `_`, `-`; 1 to 255 of them. */
  readonly trustDomain: string;
  /** Empty, or `/` and segments; case-sensitive. */
  readonly path: string;
}

const form = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*)$/;
const trustDomainForm = /^[a-z0-9._-]{1,255}$/;

/**
 * Parses a SPIFFE ID on the raw text. A URL parser is never asked: it would resolve `..`, lower the case and undo
 * percent-encoding, so that two different texts became one identity.
 * @throws {PeerageError} ERR_SPIFFE_ID_INVALID with detail `empty`, `scheme`, `trust-domain`, `path` or `length`
 * @see SPIFFE-ID specification section 2
 */
export function parseSpiffeId(text: unknown): SpiffeIdParts {
  if (typeof text !== "string") throw invalid("scheme");
  if (text.length > MAX_SPIFFE_ID_BYTES) throw invalid("length");
  const match = form.exec(text);
  if (!match) throw invalid(defectOf(text));
  return { id: text as SpiffeId, trustDomain: match[1] ?? "", path: match[2] ?? "" };
}

/**
 * The SPIFFE ID of a workload: one with a path. A trust domain's own ID authenticates nobody.
 * @throws {PeerageError} ERR_SPIFFE_ID_INVALID
 */
export function parseWorkloadId(text: unknown): SpiffeIdParts {
  const parts = parseSpiffeId(text);
  if (parts.path === "") throw invalid("path");
  return parts;
}

/**
 * Checks the name of a trust domain as an operator writes it: `acme.example`, without scheme and path.
 * @throws {PeerageError} ERR_SPIFFE_ID_INVALID with detail `trust-domain`
 */
export function parseTrustDomain(name: unknown): string {
  if (typeof name !== "string" || !trustDomainForm.test(name)) throw invalid("trust-domain");
  return name;
}

function defectOf(text: string): string {
  if (text === "") return "empty";
  if (!text.startsWith("spiffe://")) return "scheme";
  const rest = text.slice("spiffe://".length);
  const slash = rest.indexOf("/");
  return trustDomainForm.test(slash < 0 ? rest : rest.slice(0, slash)) ? "path" : "trust-domain";
}

function invalid(detail: string): PeerageError {
  return new PeerageError("ERR_SPIFFE_ID_INVALID", `not a SPIFFE ID: ${detail}`, { detail });
}
