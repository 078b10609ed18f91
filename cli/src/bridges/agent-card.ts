import {
  canonicalize,
  type Did,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  PeerageError,
  type Signer,
  toBase64url,
  utf8,
} from "@peerage/core";

/** What declares, in an A2A agent card, who stands for the agent: an extension that carries data and changes no call. */
export const VOUCH_CHAIN_URI = "https://peerage.dev/ns/a2a/vouch_chain/v1";

/** The version of A2A whose cards are written. */
const A2A_VERSION = "1.0";

/** What the extension's `params` hold. */
export interface VouchChain {
  /** The agent that the card is about. */
  readonly subject: Did;
  /** What the vouches are for. */
  readonly scope: string;
  /** When the chain was put together, RFC 3339: what was withdrawn since is not in it. */
  readonly created: string;
  /** Where the vouches are logged. */
  readonly registry?: string | undefined;
  /** Signed vouches, whole: the nearest to the agent first. */
  readonly vouches: readonly JsonObject[];
}

/** What a card says about an agent, where its owner has none yet. */
export interface CardText {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  /** Where the agent answers A2A. */
  readonly url: string;
  readonly binding: string;
  readonly scope: string;
}

/** A minimal agent card (A2A 1.0, section 4.4.1), unsigned. */
export function newAgentCard({ name, description, version, url, binding, scope }: CardText): JsonObject {
  return {
    name,
    description,
    version,
    supportedInterfaces: [{ url, protocolBinding: binding, protocolVersion: A2A_VERSION }],
    capabilities: {},
    defaultInputModes: ["text/plain"],
    defaultOutputModes: ["text/plain"],
    skills: [
      { id: scope, name: scope, description: `What others vouch for it in: ${scope}`, tags: ["peerage", scope] },
    ],
  };
}

/** True for an agent card of A2A 1.0, or of 0.3, which had one `url`. Nothing of it is believed by that. */
export function isAgentCard(json: JsonObject): boolean {
  const { capabilities, skills, supportedInterfaces, url } = json;
  const isReachable = Array.isArray(supportedInterfaces) || typeof url === "string";
  return isJsonObject(capabilities) && Array.isArray(skills) && isReachable;
}

/** The `params` of a card's vouch chain; undefined if it declares none. @throws {PeerageError} if it declares two */
export function vouchChainIn(card: JsonObject): JsonValue | undefined {
  const declared = extensionsOf(card).filter((one) => isJsonObject(one) && one["uri"] === VOUCH_CHAIN_URI);
  if (declared.length > 1) throw invalid("it declares its vouch chain twice");
  const [one] = declared;
  return isJsonObject(one) ? (one["params"] ?? {}) : undefined;
}

/**
 * The card with a vouch chain and its signature (A2A 1.0, section 8.4), in place of those it had: they would no longer
 * hold. Members that have their default are left out, so that every reader canonicalizes the card to the same bytes,
 * whether it removes all defaults, as the SDKs do, or only some, as the specification says. What a card demands of its
 * callers stays in it also where the SDKs remove it: then a second signature is over what they leave.
 * @throws {PeerageError} ERR_REQUEST_INVALID if the card lacks what A2A 1.0 requires
 */
export async function signAgentCard(card: JsonObject, chain: VouchChain, signer: Signer): Promise<JsonObject> {
  const { vouches, ...about } = chain;
  const extension = {
    uri: VOUCH_CHAIN_URI,
    description: "Who vouches for this agent: signed, logged, and to be checked by whoever reads this card",
    params: { ...about, ...(vouches.length > 0 ? { vouches } : {}) } as JsonObject,
  };
  const others = extensionsOf(card).filter((one) => !isJsonObject(one) || one["uri"] !== VOUCH_CHAIN_URI);
  const { signatures: _, ...rest } = card;
  const capabilities = isJsonObject(card["capabilities"]) ? card["capabilities"] : {};
  const whole = tidy({ ...rest, capabilities: { ...capabilities, extensions: [...others, extension] } });
  if (!isJsonObject(whole)) throw invalid("it is empty");
  checkRequired(whole);
  const header = toBase64url(utf8(canonicalize({ alg: "EdDSA", kid: signer.kid, typ: "JOSE" })));
  const signatures: JsonObject[] = [];
  for (const form of new Set([canonicalize(whole), bareForm(whole)])) {
    const signature = await signer.sign(utf8(`${header}.${toBase64url(utf8(form))}`));
    signatures.push({ protected: header, signature: toBase64url(signature) });
  }
  return { ...whole, signatures };
}

/**
 * The canonical forms of a card that its signature may be over: as it was received, without the defaults that A2A 1.0
 * section 8.4.1 removes, and without all of them, as the SDKs remove them. They differ in what means the same.
 */
export function signedForms(card: JsonObject): readonly string[] {
  const { signatures: _, ...rest } = card;
  return [...new Set([canonicalize(rest), canonicalize(withoutDefaults(rest)), bareForm(rest)])];
}

/** True if a signature over this form of the card leaves out what the card demands of its callers, as the SDKs' does. */
export function isSilentOnSecurity(card: JsonObject, form: string): boolean {
  const { signatures: _, ...rest } = card;
  return form === bareForm(rest) && form !== canonicalize(tidy(rest) ?? {});
}

/** Names of members that A2A requires somewhere, so that they stand in a card also when they are empty. */
const required: ReadonlySet<string> = new Set(
  (
    "name version supportedInterfaces capabilities defaultInputModes defaultOutputModes skills url protocolBinding " +
    "protocolVersion organization id tags location scheme flows openIdConnectUrl authorizationUrl tokenUrl scopes"
  ).split(" "),
);
/** Members of which A2A knows whether they were set. */
const optional: ReadonlySet<string> = new Set(["documentationUrl", "iconUrl"]);

/** Where a value stands: the name of its member, and of the one around it. */
interface At {
  readonly name?: string;
  readonly around?: string | undefined;
}

/** True for the entries of a map and for the choice of one kind of scheme: there an empty value says something. */
function isTelling({ name = "", around }: At): boolean {
  // `security` is what A2A 0.3 had for the schemes of requirements.
  return ["schemes", "security", "securitySchemes"].includes(name) || around === "securitySchemes";
}

function withoutDefaults(value: JsonObject, at: At = {}): JsonObject {
  const kept: [string, JsonValue][] = [];
  for (const [name, member] of Object.entries(value)) {
    const isFree = name === "params" || name === "header";
    const cleaned = isFree ? member : cleanedMember(member, { name, around: at.name });
    // A card and a skill must have a description; an extension and a security scheme need not.
    const isRequired =
      required.has(name) ||
      (name === "description" && (Object.hasOwn(value, "tags") || Object.hasOwn(value, "version")));
    const isFlag = name === "required" || name === "pkceRequired";
    const isDefault = isEmpty(cleaned) || (isFlag && cleaned === false);
    if (isTelling(at) || isRequired || optional.has(name) || !isDefault) kept.push([name, cleaned]);
  }
  return Object.fromEntries(kept);
}

function cleanedMember(member: JsonValue, at: At): JsonValue {
  if (Array.isArray(member))
    return member.map((one: JsonValue) => (isJsonObject(one) ? withoutDefaults(one, at) : one));
  return isJsonObject(member) ? withoutDefaults(member, at) : member;
}

/** The card as the SDKs canonicalize it. */
function bareForm(card: JsonObject): string {
  return canonicalize(bare(card, () => false) ?? {});
}

/** The card without anything empty that says nothing. */
function tidy(card: JsonObject): JsonValue | undefined {
  return bare(card, isTelling);
}

/** A value without anything empty in it, but for what is kept; undefined if nothing is left. */
function bare(value: JsonValue, keeps: (at: At) => boolean, at: At = {}): JsonValue | undefined {
  const isFlag = at.name === "required" || at.name === "pkceRequired";
  if (isEmpty(value) || (value === false && isFlag)) return undefined;
  if (Array.isArray(value)) {
    const kept = value.map((one: JsonValue) => bare(one, keeps, at)).filter((one) => one !== undefined);
    return kept.length > 0 ? kept : undefined;
  }
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).flatMap(([name, member]) => {
    const cleaned = bare(member, keeps, { name, around: at.name }) ?? (keeps(at) ? {} : undefined);
    return cleaned === undefined ? [] : [[name, cleaned] as const];
  });
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

function isEmpty(value: JsonValue): boolean {
  if (value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function checkRequired(card: JsonObject): void {
  const texts = ["name", "description", "version"];
  const lists = ["supportedInterfaces", "defaultInputModes", "defaultOutputModes", "skills"];
  if (typeof card["url"] === "string" && card["supportedInterfaces"] === undefined)
    throw invalid("it is a card of A2A 0.3: put its url into supportedInterfaces, as A2A 1.0 has it");
  const missing =
    texts.find((name) => typeof card[name] !== "string") ?? lists.find((name) => !Array.isArray(card[name]));
  if (missing !== undefined) throw invalid(`A2A requires ${missing}, and it is missing or empty`);
  for (const one of card["supportedInterfaces"] as JsonValue[]) {
    const members = ["url", "protocolBinding", "protocolVersion"];
    if (!isJsonObject(one) || members.some((name) => typeof one[name] !== "string"))
      throw invalid("each of supportedInterfaces has url, protocolBinding and protocolVersion");
  }
}

function extensionsOf(card: JsonObject): readonly JsonValue[] {
  const capabilities = card["capabilities"];
  const extensions = isJsonObject(capabilities) ? capabilities["extensions"] : undefined;
  return Array.isArray(extensions) ? (extensions as JsonValue[]) : [];
}

function invalid(why: string): PeerageError {
  return new PeerageError("ERR_REQUEST_INVALID", `no acceptable agent card: ${why}`);
}
