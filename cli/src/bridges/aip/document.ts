import {
  type Did,
  formatMultibaseKey,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseDid,
  parseMultibaseKey,
  type PublicKey,
} from "@peerage/core";
import {
  aipDidOf,
  type AipField,
  aipFields,
  type AipVouch,
  isAipDid,
  isVouchersOwnKey,
  keyOf,
  readAipVouch,
  signedFieldsOf,
} from "./vouch.ts";

/** An agent of AIP as some document names it. */
export interface AipIdentity {
  readonly did: string;
  /** Set if the document has the key that the DID is made of: then the agent is this DID as well, and nobody's word is needed. */
  readonly key?: Did;
  /** What is said to be its name: its own word, or that of AIP's service. */
  readonly name?: string;
  /** Why its key cannot be told, in words. */
  readonly why?: string;
}

/** A vouch of AIP, and which of its members its voucher signed. */
export interface AipClaim {
  readonly vouch: AipVouch;
  readonly signed: readonly AipField[];
  /** Members that it has and that nobody signed, or whose signature cannot be tied to the voucher. */
  readonly unverifiable: readonly AipField[];
  /** Why nothing of it is signed, in words. */
  readonly why?: string;
}

/** What of AIP stands in a document. */
export interface AipDocument {
  readonly identities: readonly AipIdentity[];
  readonly claims: readonly AipClaim[];
  /** What pretends to be signed and is not, or is malformed: where it stands, and why. */
  readonly refused: readonly { readonly at: string; readonly why: string }[];
}

/** More agents and vouches than this are not taken from one document. */
const MAX_ITEMS = 500;

/** Members under which AIP's service lists agents and vouches. */
const lists = [
  "registrations",
  "agents",
  "identities",
  "vouches",
  "vouched_by",
  "vouches_for",
  "verifiableCredentials",
];

/**
 * Takes apart what AIP writes: an exported identity, answers of its service (`/verify`, `/resolve`, `/did`,
 * `/registrations`, `/trust-graph`, `/vouch-vc`), vouch certificates, vouches of its library, and lists of these.
 * @throws {TypeError} if there is too much of it, or a private key in it
 */
export function readAipDocument(json: JsonValue): AipDocument {
  const identities = new Map<string, AipIdentity>();
  const claims: AipClaim[] = [];
  const refused: { at: string; why: string }[] = [];
  let items = 0;
  const take = (value: JsonValue, at: string): void => {
    if (Array.isArray(value)) {
      value.forEach((one: JsonValue, i) => take(one, `${at}[${i}]`));
      return;
    }
    if (!isJsonObject(value)) return;
    if (++items > MAX_ITEMS) throw new TypeError(`it has more than ${MAX_ITEMS} agents and vouches`);
    if (value["private_key"] !== undefined)
      throw new TypeError("it holds a private key, which belongs to nobody else: export it again without");
    try {
      const vouch = readAipVouch(value);
      if (vouch) {
        claims.push(claimOf(vouch));
        return;
      }
      const identity = identityOf(value);
      if (identity) identities.set(identity.did, merged(identities.get(identity.did), identity));
    } catch (error) {
      refused.push({ at, why: error instanceof Error ? error.message : "malformed" });
    }
    for (const name of lists) if (value[name] !== undefined) take(value[name], at === "" ? name : `${at}.${name}`);
  };
  take(json, "");
  for (const { vouch } of claims) {
    for (const identity of partiesOf(vouch))
      identities.set(identity.did, merged(identities.get(identity.did), identity));
  }
  return { identities: [...identities.values()], claims, refused };
}

function claimOf(vouch: AipVouch): AipClaim {
  const has = aipFields.filter((field) => vouch[field] !== undefined && vouch[field] !== "");
  const nothing = (why: string): AipClaim => ({ vouch, signed: [], unverifiable: has, why });
  if (vouch.form === "listed" || !vouch.signature) return nothing("AIP's service lists it without a signature");
  const signed = signedFieldsOf(vouch);
  if (!isVouchersOwnKey(vouch))
    return nothing("it is signed by a key that the voucher's DID is not made of: only AIP's service says whose it is");
  const covered = has.filter((field) => signed.includes(field));
  return { vouch, signed: covered, unverifiable: has.filter((field) => !signed.includes(field)) };
}

function partiesOf({ voucher, voucherKey, target, targetKey }: AipVouch): AipIdentity[] {
  return [
    withKey(voucher, voucherKey === undefined ? undefined : keyOf(voucherKey)),
    withKey(target, targetKey === undefined ? undefined : keyOf(targetKey)),
  ];
}

function identityOf(json: JsonObject): AipIdentity | undefined {
  const document = isJsonObject(json["didDocument"]) ? json["didDocument"] : json;
  if (isAipDid(document["id"]) && Array.isArray(document["verificationMethod"])) {
    const [method] = document["verificationMethod"] as JsonValue[];
    const key = isJsonObject(method) ? parseMultibaseKey(method["publicKeyMultibase"]) : undefined;
    return withKey(document["id"], key);
  }
  if (!isAipDid(json["did"])) return undefined;
  const key = json["public_key"];
  if (key !== undefined && key !== null && key !== "" && typeof key !== "string")
    throw new TypeError("public_key is no text");
  const known = withKey(json["did"], typeof key === "string" && key !== "" ? keyOf(key) : undefined);
  const name = nameOf(json);
  return name === undefined ? known : { ...known, name };
}

function withKey(did: string, key: PublicKey | undefined): AipIdentity {
  if (!key) return { did, why: "no key of it is at hand" };
  if (aipDidOf(key) === did) return { did, key: parseDid(`did:key:${formatMultibaseKey(key.bytes)}`) };
  return { did, why: "its DID is not made of this key: only AIP's service says that the key is its own" };
}

function nameOf(json: JsonObject): string | undefined {
  const platforms = Array.isArray(json["platforms"]) ? (json["platforms"] as JsonValue[]) : [];
  const [first] = platforms.filter((one) => isJsonObject(one));
  const candidates = [json["display_name"], json["username"], isJsonObject(first) ? first["username"] : undefined];
  const name = candidates.find((one) => typeof one === "string" && one !== "");
  return typeof name === "string" ? name.slice(0, 200) : undefined;
}

/** What is proven is kept over what is not. */
function merged(before: AipIdentity | undefined, now: AipIdentity): AipIdentity {
  if (!before) return now;
  const name = before.name ?? now.name;
  const known = before.key ? before : now;
  return { ...known, ...(name === undefined ? {} : { name }) };
}
