import {
  APPROVAL_STEP,
  CALL_TYP,
  DELIVERY_TYP,
  ENTRY_TYP,
  fromBase64url,
  fromUtf8,
  isJsonObject,
  type JsonObject,
  MESSAGE_TYP,
  NOTE_ERASURE_TYP,
  parseJson,
  type Signer,
} from "@peerage/core";
import { auditOrigin } from "@peerage/mcp-middleware";

/** What can be asked of a signing agent. */
export const kinds = ["calls", "entries", "receipts", "approvals", "checkpoints", "statements", "messages"] as const;
export type Kind = (typeof kinds)[number];

/** What bytes are, by their own word: nothing that the asker says beside them counts. */
export interface Asked {
  readonly kind: Kind;
  /** For whom it is, where it names one. */
  readonly audience?: string | undefined;
  /** A few words about it, of which foreign text is a part. */
  readonly about: string;
}

/** Most bytes that are signed at once. */
const MAX_SIGNED_BYTES = 32_768;

// What a guard signs about the calls that it decides.
const receiptSteps: ReadonlySet<unknown> = new Set(["tool_call", "approval_request"]);

/**
 * Says what bytes are that somebody wants signed; undefined for what this program never signs, or what speaks for
 * another key or DID than the signer's. A statement is a document of which only the 64 bytes of two digests are signed:
 * what stands in it cannot be seen here.
 */
export function classify(bytes: Uint8Array, signer: Pick<Signer, "did" | "kid">): Asked | undefined {
  if (bytes.length === 64) return { kind: "statements", about: "a statement, by its digests" };
  if (bytes.length > MAX_SIGNED_BYTES) return undefined;
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    return undefined;
  }
  if (text.startsWith(`${auditOrigin(signer.did)}\n`))
    return /^[^\n]+\n\d{1,16}\n[A-Za-z0-9+/]{43}=\n$/.test(text)
      ? { kind: "checkpoints", about: "the head of an audit log" }
      : undefined;
  const [head, body] = (/^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(text) ?? []).slice(1).map(objectOf);
  if (!head || !body || !speaksFor(head, body, signer)) return undefined;
  return describe(head["typ"], body);
}

/** The header is of our profile and names the signer's key; the claims name its DID. */
function speaksFor(head: JsonObject, claims: JsonObject, { did, kid }: Pick<Signer, "did" | "kid">): boolean {
  return Object.keys(head).length === 3 && head["alg"] === "EdDSA" && head["kid"] === kid && claims["iss"] === did;
}

function describe(typ: unknown, claims: JsonObject): Asked | undefined {
  const { aud, step, result, tool, method } = claims;
  if (aud !== undefined && typeof aud !== "string") return undefined;
  const audience = aud;
  if (typ === CALL_TYP)
    return audience === undefined ? undefined : { kind: "calls", audience, about: word(tool ?? method) };
  if (typ === NOTE_ERASURE_TYP) return { kind: "statements", audience, about: "that a note is erased" };
  if (typ === MESSAGE_TYP) return { kind: "messages", audience, about: "a message" };
  // Handed in at a registry, it is for who can open it.
  if (typ === DELIVERY_TYP) return { kind: "messages", audience: word(claims["to"]), about: "that a message is kept" };
  // Nothing that is asked of an inbox: who cannot open messages needs none of them, and could only erase them.
  if (typ !== ENTRY_TYP) return undefined;
  const about = `${word(step)} ${word(result)}`;
  if (step === APPROVAL_STEP) return { kind: "approvals", audience, about };
  if (receiptSteps.has(step)) return { kind: "receipts", audience, about };
  return { kind: "entries", audience, about };
}

function word(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 200) : "?";
}

function objectOf(part: string): JsonObject | undefined {
  try {
    const value = parseJson(fromUtf8(fromBase64url(part)));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
