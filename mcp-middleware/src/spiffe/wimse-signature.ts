import { createHash } from "node:crypto";
import { utf8, type Verified } from "@peerage/core";
import { signatureHolds } from "./jws.ts";
import { svidInvalid } from "./refuse.ts";
import { sealed } from "./sealed.ts";
import { type Component, parseSignature, parseSignatureInput, type SignatureInput } from "./signature-input.ts";
import { type Wit } from "./wit-svid.ts";
import { WIT_HEADER, type WptContext } from "./wpt.ts";

const TAG = "wimse-workload-to-workload";
/** A signature lives at most this long. */
const MAX_SIGNATURE_SECONDS = 300;

/** A request as it came: duplicated headers are refused before this. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly target: string;
  readonly header: (name: string) => string | undefined;
  /** Exact bytes; empty if there is no body. */
  readonly body: Uint8Array;
}

export interface SignedResponse {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: Uint8Array;
}

/** What a request's signature says beside that it holds. */
export interface RequestSignature {
  readonly nonce: string;
  /** The caller wants a signed response. */
  readonly wantsSignedResponse: boolean;
}

/**
 * Verifies the signature of a request by the key of its WIT: method, target, the WIT and the body.
 * @param context the WIT is verified already, and the one in the header; audiences are configured URLs, never `Host`
 * @throws {PeerageError} ERR_SVID_INVALID; detail `signature-input`, `tag`, `wit`, `uncovered`, `audience`, `expired`,
 *   `not-yet-valid`, `lifetime`, `nonce`, `content-digest`, `equation`; and what `spend` throws
 * @see draft-ietf-wimse-http-signature, RFC 9421
 */
export function verifyRequestSignature(
  request: SignedRequest,
  context: Pick<WptContext, "audiences" | "now" | "spend"> & { readonly wit: Verified<Wit> },
): Verified<RequestSignature> {
  const { wit, audiences, now, spend } = context;
  const input = parseSignatureInput(request.header("signature-input"));
  checkWit(request.header, wit);
  checkCovered(input, ["@method", "@request-target", ...headersToCover(request)]);
  const audience = input.parameters.get("wimse-aud");
  if (typeof audience !== "string" || !audiences.has(audience)) throw svidInvalid("audience");
  const { nonce, expires } = checkParameters(input, now);
  checkDigest(request);
  checkEquation(input, request, wit, (component) => {
    if (component.ofRequest) return undefined;
    return requestValue(request, component.name);
  });
  spend({ issuer: wit.subject, jti: nonce, expiresAt: expires });
  const wantsSignedResponse = input.parameters.get("wimse-sign-response") === true;
  return sealed<RequestSignature>({ nonce, wantsSignedResponse });
}

/**
 * Verifies the signature of a response, which is tied to its request by the request's nonce and components.
 * @throws {PeerageError} ERR_SVID_INVALID; detail as {@link verifyRequestSignature}, and `req-nonce`
 */
export function verifyResponseSignature(
  response: SignedResponse,
  context: {
    readonly request: SignedRequest;
    readonly nonce: string;
    readonly wit: Verified<Wit>;
    readonly now: Date;
  },
): void {
  const { request, nonce, wit, now } = context;
  const input = parseSignatureInput(response.header("signature-input"));
  checkWit(response.header, wit);
  if (input.parameters.get("wimse-req-nonce") !== nonce) throw svidInvalid("req-nonce");
  checkCovered(input, ["@status", ...headersToCover(response)], ["@method", "@request-target"]);
  checkParameters(input, now);
  checkDigest(response);
  checkEquation(input, response, wit, ({ name, ofRequest }) => {
    if (ofRequest) return requestValue(request, name);
    if (name === "@status") return String(response.status);
    return name.startsWith("@") ? undefined : response.header(name);
  });
}

function requestValue(request: SignedRequest, name: string): string | undefined {
  if (name === "@method") return request.method;
  if (name === "@request-target") return request.target;
  return name.startsWith("@") ? undefined : request.header(name);
}

function checkWit(header: SignedRequest["header"], wit: Wit): void {
  if (header(WIT_HEADER)?.trim() !== wit.token) throw svidInvalid("wit");
}

/** What must be covered where it is there: who speaks, what is said, and tokens that travel beside. */
function headersToCover({ header, body }: Pick<SignedRequest, "header" | "body">): string[] {
  const present = ["content-type", "authorization", "txn-token"].filter((name) => header(name) !== undefined);
  return [WIT_HEADER, ...present, ...(body.length > 0 ? ["content-digest"] : [])];
}

function checkCovered(input: SignatureInput, own: readonly string[], ofRequest: readonly string[] = []): void {
  const covers = (name: string, req: boolean): boolean =>
    input.components.some((component) => component.name === name && component.ofRequest === req);
  if (own.every((name) => covers(name, false)) && ofRequest.every((name) => covers(name, true))) return;
  throw svidInvalid("uncovered");
}

function checkParameters({ parameters }: SignatureInput, now: Date): { nonce: string; expires: number } {
  const [created, expires, nonce] = ["created", "expires", "nonce"].map((name) => parameters.get(name));
  if (parameters.get("tag") !== TAG || parameters.has("alg")) throw svidInvalid("tag");
  if (typeof created !== "number" || typeof expires !== "number") throw svidInvalid("time");
  const seconds = now.getTime() / 1000;
  if (seconds > expires) throw svidInvalid("expired");
  if (created > seconds + 30) throw svidInvalid("not-yet-valid");
  if (expires - created > MAX_SIGNATURE_SECONDS + 30) throw svidInvalid("lifetime");
  if (typeof nonce !== "string" || nonce.length < 8) throw svidInvalid("nonce");
  return { nonce, expires };
}

/** `Content-Digest` (RFC 9530), recomputed from the bytes: a signature over the header alone says nothing of them. */
function checkDigest({ header, body }: Pick<SignedRequest, "header" | "body">): void {
  const text = header("content-digest");
  if (text === undefined) return;
  const sha256 = createHash("sha256").update(body).digest("base64");
  if (text !== `sha-256=:${sha256}:`) throw svidInvalid("content-digest");
}

function checkEquation(
  input: SignatureInput,
  { header }: Pick<SignedRequest, "header">,
  wit: Wit,
  valueOf: (component: Component) => string | undefined,
): void {
  const lines = input.components.map((component) => {
    const value = valueOf(component);
    if (value === undefined) throw svidInvalid("uncovered");
    return `"${component.name}"${component.ofRequest ? ";req" : ""}: ${value.trim()}\n`;
  });
  const base = utf8(`${lines.join("")}"@signature-params": ${input.text}`);
  const signature = parseSignature(header("signature"), input.label);
  const { algorithm, key } = wit.confirmation;
  if (!signatureHolds(algorithm, key, base, signature)) throw svidInvalid("equation");
}
