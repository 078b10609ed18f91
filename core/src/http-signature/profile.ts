import { toBase64url } from "../encoding/base64.ts";
import { randomBytes, utf8 } from "../encoding/bytes.ts";
import type { Signer } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { unixSeconds } from "../time.ts";
import type { Verified } from "../verified.ts";
import { checkContentDigest, contentDigest } from "./content-digest.ts";
import { checkFresh, checkHolder, type HttpCaller, type HttpKeys, verifiedCaller } from "./caller.ts";
import { componentValue, type SignedMessage } from "./message.ts";
import {
  checkHttpSignature,
  covers,
  type HttpSignature,
  proofInvalid,
  readSignatures,
  signatureBase,
  signatureParameters,
} from "./signature.ts";
import { toBase64 } from "../encoding/base64.ts";

/** `tag` of a signature that covers a whole MCP request. */
export const HTTP_SIGNATURE_TAG = "peerage";
/** A signature lives at most this long. */
export const MAX_HTTP_SIGNATURE_SECONDS = 300;

/** What is covered of every request … */
const always = ["@method", "@target-uri"];
/** … of one with a body … */
const ofBody = ["content-digest", "content-type"];
/** … and wherever it is sent, so that nobody adds it on the way. */
const ifSent = ["mcp-protocol-version", "mcp-method", "mcp-name", "authorization"];

/** Without a body these say what is asked for. */
const ofStream = ["mcp-session-id", "last-event-id"];

const parameterNames = new Set(["created", "expires", "keyid", "nonce", "tag"]);

/** True for a signature that says it is of our profile. */
export function isPeerageSignature({ parameters }: HttpSignature): boolean {
  return parameters.get("tag") === HTTP_SIGNATURE_TAG;
}

/**
 * Verifies the one signature of a request with `tag="peerage"`: what it covers, whose key, the equation, the time, and the
 * body by its digest. Replay is the caller's to check, by `jti`.
 * @throws {PeerageError} ERR_PROOF_MISSING if there is none; ERR_PROOF_MALFORMED; ERR_PROOF_INVALID, detail `label`,
 *   `parameters`, `components`, `equation`, `content-digest`; ERR_DID_UNRESOLVED; ERR_PROOF_EXPIRED,
 *   ERR_PROOF_NOT_YET_VALID
 */
export function verifyHttpSignature(
  message: SignedMessage,
  options: HttpKeys & { readonly now: Date },
): Verified<HttpCaller> {
  const [signed, second] = readSignatures(message).filter(isPeerageSignature);
  if (!signed) throw new PeerageError("ERR_PROOF_MISSING", 'no HTTP signature with tag="peerage"');
  if (second) throw proofInvalid("label", 'more than one HTTP signature with tag="peerage"');
  const { parameters } = signed;
  const [created, expires, keyid, nonce] = ["created", "expires", "keyid", "nonce"].map((name) => parameters.get(name));
  for (const name of parameters.keys()) {
    if (!parameterNames.has(name)) throw proofInvalid("parameters", `the parameter ${name} is not of this profile`);
  }
  if (typeof created !== "number" || typeof expires !== "number" || typeof keyid !== "string") {
    throw proofInvalid("parameters", "created, expires and keyid are needed");
  }
  if (!(expires > created && expires - created <= MAX_HTTP_SIGNATURE_SECONDS)) {
    throw proofInvalid("parameters", `it lives longer than ${MAX_HTTP_SIGNATURE_SECONDS} s`);
  }
  if (typeof nonce !== "string" || !/^[\w-]{22,86}$/.test(nonce))
    throw proofInvalid("parameters", "nonce is 22 to 86 characters");
  for (const name of toCover(message)) {
    if (!covers(signed, name)) throw proofInvalid("components", `${name} is not covered`);
  }
  const holder = checkHolder(keyid, options);
  checkHttpSignature(message, signed, holder.key);
  checkFresh(created, expires, options.now);
  if (covers(signed, "content-digest")) checkContentDigest(message.header("content-digest"), message.body);
  return verifiedCaller(holder, {
    scheme: "peerage-http",
    binding: "body",
    audience: message.targetUri,
    jti: nonce,
    issuedAt: created,
    expiresAt: expires,
  });
}

function toCover({ method, header }: Pick<SignedMessage, "method" | "header">): readonly string[] {
  const hasBody = method === "POST" || header("content-digest") !== undefined;
  const sent = [...ifSent, ...(method === "POST" ? [] : ofStream)].filter((name) => header(name) !== undefined);
  return [...always, ...(hasBody ? ofBody : []), ...sent];
}

/**
 * Signs a request by our profile.
 * @param message with all headers that will be sent but those that are returned; its body must be known
 * @param options `lifetimeSeconds` is 1 to 300, 60 by default
 * @returns the headers to add: `content-digest` where there is a body, `signature-input`, `signature`
 * @throws {RangeError} for another lifetime
 */
export async function signHttpRequest(
  signer: Signer,
  message: SignedMessage & { readonly body: Uint8Array },
  options: {
    readonly now?: Date;
    readonly lifetimeSeconds?: number;
    readonly nonce?: string;
    readonly keyid?: string;
  } = {},
): Promise<Readonly<Record<string, string>>> {
  const lifetime = options.lifetimeSeconds ?? 60;
  if (!(lifetime >= 1 && lifetime <= MAX_HTTP_SIGNATURE_SECONDS))
    throw new RangeError("lifetimeSeconds must be 1 to 300");
  const digest = message.method === "POST" ? { "content-digest": contentDigest(message.body) } : {};
  const header = (name: string): string | undefined =>
    name === "content-digest" ? digest["content-digest"] : message.header(name);
  const whole = { ...message, header };
  const created = unixSeconds(options.now ?? new Date());
  const components = toCover(whole).map((name) => ({ name, parameters: new Map<string, never>() }));
  for (const component of components) {
    if (componentValue(whole, component) === undefined) throw new TypeError(`a signed request has ${component.name}`);
  }
  const parameters = new Map<string, string | number>([
    ["created", created],
    ["expires", created + lifetime],
    ["keyid", options.keyid ?? signer.kid],
    ["nonce", options.nonce ?? toBase64url(randomBytes(16))],
    ["tag", HTTP_SIGNATURE_TAG],
  ]);
  const signature = await signer.sign(utf8(signatureBase(whole, { components, parameters })));
  return {
    ...digest,
    "signature-input": `peerage=${signatureParameters({ components, parameters })}`,
    signature: `peerage=:${toBase64(signature)}:`,
  };
}
