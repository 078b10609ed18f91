import { utf8 } from "../encoding/bytes.ts";
import { type PublicKey, verifySignature } from "../ed25519/verify.ts";
import { PeerageError } from "../errors.ts";
import { componentValue, type SignedMessage } from "./message.ts";
import {
  type InnerList,
  type Parameters,
  parseDictionary,
  serializeMember,
  serializeParameters,
} from "./structured-fields.ts";

/** A covered component: a header, or a derived one such as `@method`. */
export interface Component {
  readonly name: string;
  readonly parameters: Parameters;
}

/** One signature of a message as it came; nothing of it has been checked but its form. */
export interface HttpSignature {
  readonly label: string;
  readonly components: readonly Component[];
  /** `created`, `keyid`, `tag` and so on. */
  readonly parameters: Parameters;
  /** 64 bytes, if it is one by Ed25519. */
  readonly signature: Uint8Array;
}

/** More signatures on one message are refused. */
const MAX_SIGNATURES = 8;
const MAX_COMPONENTS = 64;

export function proofInvalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_PROOF_INVALID", message, { detail });
}

/**
 * Reads all signatures of a message: `Signature-Input` and `Signature` must have the same labels.
 * @returns none if it has neither header
 * @throws {PeerageError} ERR_PROOF_MALFORMED, or ERR_PROOF_INVALID, detail `label`
 * @see RFC 9421 sections 4.1 and 4.2
 */
export function readSignatures(message: Pick<SignedMessage, "header">): readonly HttpSignature[] {
  const input = message.header("signature-input");
  const signature = message.header("signature");
  if (input === undefined && signature === undefined) return [];
  const inputs = parseDictionary(input ?? "");
  const signatures = parseDictionary(signature ?? "");
  if (inputs.size !== signatures.size || inputs.size > MAX_SIGNATURES || inputs.size === 0) {
    throw proofInvalid("label", "Signature-Input and Signature do not belong together");
  }
  return [...inputs].map(([label, member]) => {
    const value = signatures.get(label);
    const bytes = value && "value" in value ? value.value : undefined;
    if (!(bytes instanceof Uint8Array))
      throw proofInvalid("label", "Signature has no bytes under the label of its input");
    return { label, components: readComponents(member), parameters: member.parameters, signature: bytes };
  });
}

function readComponents(member: InnerList | object): readonly Component[] {
  const items = "items" in member ? member.items : undefined;
  if (items === undefined || items.length > MAX_COMPONENTS) throw proofInvalid("components", "no list of components");
  const components = items.map(({ value, parameters }) => {
    if (typeof value !== "string" || value !== value.toLowerCase() || value === "@signature-params") {
      throw proofInvalid("components", "a component has no name of a header");
    }
    return { name: value, parameters };
  });
  const names = components.map(({ name, parameters }) => `${name}${serializeParameters(parameters)}`);
  if (new Set(names).size < names.length) throw proofInvalid("components", "a component is covered twice");
  return components;
}

/**
 * What is signed (RFC 9421 section 2.5).
 * @throws {PeerageError} ERR_PROOF_INVALID, detail `equation`, where the message lacks a component that is covered
 */
export function signatureBase(
  message: SignedMessage,
  signed: Pick<HttpSignature, "components" | "parameters">,
): string {
  const lines = signed.components.map((component) => {
    const value = componentValue(message, component);
    if (value === undefined) throw proofInvalid("equation", "the message lacks a component that is signed");
    return `"${component.name}"${serializeParameters(component.parameters)}: ${value}\n`;
  });
  return `${lines.join("")}"@signature-params": ${signatureParameters(signed)}`;
}

/** The value of `@signature-params`, and of the member of `Signature-Input`. */
export function signatureParameters({
  components,
  parameters,
}: Pick<HttpSignature, "components" | "parameters">): string {
  const items = components.map(({ name, parameters: own }) => ({ value: name, parameters: own }));
  return serializeMember({ items, parameters });
}

/**
 * Checks that this key signed what the signature covers of this message, with Ed25519. Whether it covers enough, is fresh,
 * and is of someone, is asked elsewhere.
 * @throws {PeerageError} ERR_PROOF_INVALID, detail `equation`
 */
export function checkHttpSignature(message: SignedMessage, signed: HttpSignature, key: PublicKey): void {
  const base = utf8(signatureBase(message, signed));
  if (!verifySignature(key, base, signed.signature)) throw proofInvalid("equation", "the signature does not hold");
}

/** True if a header or derived component is covered as it is, whole. */
export function covers({ components }: Pick<HttpSignature, "components">, name: string): boolean {
  return components.some((component) => component.name === name && component.parameters.size === 0);
}
