import { type KeyId, keyIdOf, didFromPublicKey } from "../did/did-key.ts";
import { fromBase64url, toBase64url } from "../encoding/base64.ts";
import { sha256 } from "../encoding/sha256.ts";
import { PeerageError } from "../errors.ts";
import type { Verified } from "../verified.ts";
import { checkFresh, checkHolder, type HttpCaller, type HttpKeys, verifiedCaller } from "./caller.ts";
import { checkContentDigest } from "./content-digest.ts";
import type { SignedMessage } from "./message.ts";
import { checkHttpSignature, covers, type HttpSignature, proofInvalid, readSignatures } from "./signature.ts";
import { type Member, parseDictionary, Token } from "./structured-fields.ts";

/** However long a foreign signature says that it lives: it counts as old after this, so that it can be remembered. */
const MAX_SECONDS = { "web-bot-auth": 300, "aauth-hwk": 60 } as const;

type Scheme = keyof typeof MAX_SECONDS;

/**
 * Verifies the one signature of a request that is Web Bot Auth, or AAuth with its key in the header (`hwk`). What it gives
 * is `head`, or `body` where it covers method, whole target and a digest that was recomputed; never more.
 * @throws {PeerageError} ERR_PROOF_MISSING if there is none; otherwise as `verifyHttpSignature`
 * @see draft-ietf-webbotauth-httpsig-protocol, draft-hardt-oauth-aauth-protocol, draft-hardt-httpbis-signature-key
 */
export function verifyForeignHttpSignature(
  message: SignedMessage,
  options: HttpKeys & { readonly now: Date },
): Verified<HttpCaller> {
  const keys = parseDictionary(message.header("signature-key") ?? "");
  const found = readSignatures(message).flatMap((signed) => {
    const scheme = schemeOf(signed, keys);
    return scheme === undefined ? [] : [{ scheme, signed }];
  });
  const [one, second] = found;
  if (!one) throw new PeerageError("ERR_PROOF_MISSING", "no HTTP signature of a scheme that is known here");
  // Which of two counts could not be told from outside, and levels never add up.
  if (second) throw proofInvalid("label", "more than one HTTP signature that names a caller");
  const { scheme, signed } = one;
  const { created, expires } =
    scheme === "web-bot-auth" ? checkWebBotAuth(message, signed) : checkAAuth(message, signed);
  const holder = checkHolder(scheme === "web-bot-auth" ? keyidOf(signed) : inlineKey(keys.get(signed.label)), options);
  checkHttpSignature(message, signed, holder.key);
  const expiresAt = Math.min(expires, created + MAX_SECONDS[scheme]);
  checkFresh(created, expiresAt, options.now);
  const hasDigest = covers(signed, "content-digest");
  if (hasDigest) checkContentDigest(message.header("content-digest"), message.body);
  const isWhole = hasDigest && covers(signed, "@method") && coversTarget(message, signed);
  return verifiedCaller(holder, {
    scheme,
    binding: isWhole ? "body" : "head",
    audience: message.targetUri,
    // Not every scheme has a nonce. No two signatures of one key are alike unless they say the same in the same second.
    jti: toBase64url(sha256(signed.signature)),
    issuedAt: created,
    expiresAt,
  });
}

function schemeOf({ label, parameters }: HttpSignature, keys: ReadonlyMap<string, Member>): Scheme | undefined {
  const tag = parameters.get("tag");
  if (tag === "web-bot-auth") return "web-bot-auth";
  const key = keys.get(label);
  const scheme = key && "value" in key ? key.value : undefined;
  return tag === undefined && scheme instanceof Token && scheme.text === "hwk" ? "aauth-hwk" : undefined;
}

interface Times {
  readonly created: number;
  readonly expires: number;
}

function checkWebBotAuth({ header }: SignedMessage, signed: HttpSignature): Times {
  const [created, expires, alg] = ["created", "expires", "alg"].map((name) => signed.parameters.get(name));
  if (typeof created !== "number" || typeof expires !== "number" || !(expires > created)) {
    throw proofInvalid("parameters", "Web Bot Auth needs created and expires");
  }
  if (alg !== undefined && alg !== "ed25519") throw proofInvalid("parameters", "its algorithm is not Ed25519");
  if (!covers(signed, "@authority") && !covers(signed, "@target-uri")) {
    throw proofInvalid("components", "it covers no target, so it would fit any");
  }
  const coversAgent = signed.components.some(({ name }) => name === "signature-agent");
  if (header("signature-agent") !== undefined && !coversAgent) {
    throw proofInvalid("components", "signature-agent is not covered");
  }
  return { created, expires };
}

function keyidOf({ parameters }: HttpSignature): string {
  const keyid = parameters.get("keyid");
  if (typeof keyid !== "string") throw proofInvalid("parameters", "Web Bot Auth needs keyid");
  return keyid;
}

function checkAAuth({ header }: SignedMessage, signed: HttpSignature): Times {
  const created = signed.parameters.get("created");
  if (typeof created !== "number") throw proofInvalid("parameters", "AAuth needs created");
  const needed = ["@method", "@authority", "@path", "signature-key"];
  for (const name of header("authorization") === undefined ? needed : [...needed, "authorization"]) {
    if (!covers(signed, name)) throw proofInvalid("components", `${name} is not covered`);
  }
  const expires = signed.parameters.get("expires") ?? created + MAX_SECONDS["aauth-hwk"];
  if (typeof expires !== "number") throw proofInvalid("parameters", "expires is no time");
  return { created, expires };
}

/** The key in the header names the caller: it is the DID of that key, and nobody else. */
function inlineKey(member: Member | undefined): KeyId {
  const [kty, crv, x, alg] = ["kty", "crv", "x", "alg"].map((name) => member?.parameters.get(name));
  if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string" || alg !== undefined) {
    throw proofInvalid("parameters", "the key in Signature-Key is not an Ed25519 key");
  }
  try {
    return keyIdOf(didFromPublicKey(fromBase64url(x)));
  } catch (cause) {
    throw new PeerageError("ERR_DID_INVALID", "the key in Signature-Key is not acceptable", { cause });
  }
}

function coversTarget({ targetUri }: SignedMessage, signed: HttpSignature): boolean {
  if (covers(signed, "@target-uri")) return true;
  const hasQuery = new URL(targetUri).search !== "";
  return covers(signed, "@authority") && covers(signed, "@path") && (!hasQuery || covers(signed, "@query"));
}
