import {
  decodeProofValue,
  formatMultibaseKey,
  fromBase64,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseMultibaseKey,
  type PublicKey,
  publicKeyOf,
  sha256Hex,
  utf8,
  verifySignature,
} from "@peerage/core";

/** The members of a vouch of AIP that somebody may have signed. */
export const aipFields = ["voucher", "target", "scope", "statement", "level", "created", "expires", "id"] as const;
export type AipField = (typeof aipFields)[number];

/** A vouch of AIP, in whichever of its forms it came. Nothing of it has been checked. */
export interface AipVouch {
  /** `certificate`: of its service; `vouch`: of its library; `credential`: either, dressed as a W3C credential; `listed`: a row of a trust graph. */
  readonly form: "certificate" | "vouch" | "credential" | "listed";
  /** `did:aip:` and 32 hex digits. */
  readonly voucher: string;
  readonly target: string;
  readonly scope: string;
  readonly statement: string;
  readonly level?: number;
  readonly created?: string;
  readonly expires?: string;
  readonly id?: string;
  /** The keys as they came: base64 of 32 bytes. */
  readonly voucherKey?: string;
  readonly targetKey?: string;
  /** 64 bytes. */
  readonly signature?: Uint8Array;
}

/** AIP's scopes and texts are short; more is not AIP's. */
const MAX_TEXT = 2_000;
const aipDid = /^did:aip:[0-9a-f]{32}$/;

/** True for a DID of AIP. */
export function isAipDid(text: unknown): text is string {
  return typeof text === "string" && aipDid.test(text);
}

/**
 * A key as AIP writes it: base64 of 32 bytes. Checking one takes milliseconds, so those that come again are remembered.
 * @throws {TypeError} for other bytes. @throws {PeerageError} ERR_DID_INVALID for a key that signs anything
 */
export function keyOf(text: string): PublicKey {
  const bytes = fromBase64(text);
  if (bytes.length !== 32) throw new TypeError("a key has not 32 bytes");
  return parseMultibaseKey(formatMultibaseKey(bytes));
}

/** The DID that AIP makes of a key: the first 16 bytes of its SHA-256, in hex. */
export function aipDidOf(key: PublicKey): string {
  return `did:aip:${sha256Hex(key.bytes).slice(0, 32)}`;
}

/**
 * A vouch of AIP in any of its four forms; undefined for what is none.
 * @throws {TypeError} for what begins like one and is malformed
 */
export function readAipVouch(json: JsonObject): AipVouch | undefined {
  const { voucher_did: voucher, target_did: target } = json;
  if (Array.isArray(json["type"]) && json["type"].includes("AIPVouchCredential")) return fromCredential(json);
  if (typeof voucher !== "string" || typeof target !== "string") return undefined;
  const key = json["voucher_public_key"];
  const form =
    typeof key === "string" ? "certificate" : typeof json["voucher_pubkey"] === "string" ? "vouch" : "listed";
  if (form === "certificate" && json["version"] !== "1.0") throw new TypeError("it is of a version that is not known");
  return {
    form,
    voucher: didAt(voucher),
    target: didAt(target),
    scope: text(json["scope"], "scope") ?? "",
    statement: text(json["statement"], "statement") ?? "",
    ...defined({
      level: typeof json["level"] === "number" ? json["level"] : undefined,
      created: text(json["created_at"], "created_at"),
      expires: text(json["expires_at"], "expires_at"),
      id: text(json["vouch_id"], "vouch_id"),
      voucherKey: text(form === "certificate" ? key : json["voucher_pubkey"], "the voucher's key"),
      targetKey: form === "vouch" ? text(json["target_pubkey"], "target_pubkey") : undefined,
      signature: form === "listed" ? undefined : fromBase64(text(json["signature"], "signature") ?? ""),
    }),
  };
}

/**
 * Which of its members the voucher's key signed. Which ones depends on what made it: AIP's service signs four with bars
 * between them, its library eight as JSON; a credential carries one of the two under the name of another signature suite.
 * @throws {TypeError} if its signature does not hold, or if it has none
 */
export function signedFieldsOf(vouch: AipVouch): readonly AipField[] {
  const { voucher, target, scope, statement, signature, voucherKey } = vouch;
  if (!signature || voucherKey === undefined) throw new TypeError("it carries no signature");
  const key = keyOf(voucherKey);
  // What is signed are the four with bars between them, so a bar in any but the last would move what they say.
  if ([voucher, target, scope].some((part) => part.includes("|")))
    throw new TypeError("a bar makes unclear what was signed");
  const four = utf8(`${voucher}|${target}|${scope}|${statement}`);
  if (vouch.form !== "vouch" && verifySignature(key, four, signature))
    return ["voucher", "target", "scope", "statement"];
  if (vouch.form !== "certificate" && librarySigned(vouch).some((one) => verifySignature(key, utf8(one), signature)))
    return ["voucher", "target", "scope", "statement", "level", "created", "expires"];
  throw new TypeError("the signature does not hold");
}

/** True if the voucher's DID is made of the key that signed. After a rotation only AIP's service says whose the key is. */
export function isVouchersOwnKey({ voucher, voucherKey }: AipVouch): boolean {
  return voucherKey !== undefined && aipDidOf(keyOf(voucherKey)) === voucher;
}

/** What AIP's library signs, as Python writes it; a credential has times that end in Z where the library had none. */
function librarySigned({ voucher, target, targetKey, scope, level, statement, created, expires }: AipVouch): string[] {
  if (targetKey === undefined || level === undefined || created === undefined) return [];
  const write = (at: string, until: string | undefined): string =>
    pythonJson({
      created_at: at,
      expires_at: until ?? null,
      level,
      scope,
      statement,
      target_did: target,
      target_pubkey: targetKey,
      voucher_did: voucher,
    });
  const bare = (time: string): string => time.replace(/Z$/, "");
  return [write(created, expires), write(bare(created), expires === undefined ? undefined : bare(expires))];
}

/** `json.dumps(…, sort_keys=True, separators=(",", ":"))` of a flat object whose names are in order: all ASCII. */
function pythonJson(object: JsonObject): string {
  return JSON.stringify(object).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function fromCredential(json: JsonObject): AipVouch {
  const { issuer, credentialSubject: subject, proof } = json;
  if (!isJsonObject(issuer) || !isJsonObject(subject)) throw new TypeError("its issuer or subject is missing");
  const level = subject["trustLevel"];
  return {
    form: "credential",
    voucher: didAt(issuer["aipDid"]),
    target: didAt(subject["aipDid"]),
    scope: text(subject["trustScope"], "trustScope") ?? "",
    statement: text(subject["statement"], "statement") ?? "",
    ...defined({
      level: typeof level === "number" ? level : undefined,
      created: text(json["issuanceDate"], "issuanceDate"),
      expires: text(json["expirationDate"], "expirationDate"),
      id: text(json["id"], "id"),
      voucherKey: keyOfDidKey(issuer["id"]),
      targetKey: keyOfDidKey(subject["id"]),
      signature: isJsonObject(proof) ? proofBytes(proof["proofValue"]) : undefined,
    }),
  };
}

function proofBytes(value: JsonValue | undefined): Uint8Array {
  if (typeof value === "string" && value.startsWith("M")) return fromBase64(value.slice(1));
  return decodeProofValue(value);
}

function keyOfDidKey(did: JsonValue | undefined): string | undefined {
  if (typeof did !== "string") return undefined;
  return Buffer.from(publicKeyOf(did).bytes).toString("base64");
}

function didAt(value: JsonValue | undefined): string {
  if (!isAipDid(value)) throw new TypeError("a party is no did:aip");
  return value;
}

/** A text that may be missing or null. */
function text(value: JsonValue | undefined, name: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > MAX_TEXT) throw new TypeError(`${name} is no short text`);
  return value;
}

function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
