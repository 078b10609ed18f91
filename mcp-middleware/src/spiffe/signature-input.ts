import { svidInvalid } from "./refuse.ts";

/** A component of a signature base (RFC 9421 section 2): a header or a derived one, of this message or of its request. */
export interface Component {
  readonly name: string;
  readonly ofRequest: boolean;
}

/** One member of `Signature-Input`, in the one form in which RFC 9421 writes it. */
export interface SignatureInput {
  readonly label: string;
  readonly components: readonly Component[];
  readonly parameters: ReadonlyMap<string, string | number | true>;
  /** The value of `@signature-params`, as received. */
  readonly text: string;
}

/** A longer header is cut, and then it parses no more. */
const MAX_INPUT_CHARACTERS = 4_096;
const inputForm = /^([a-z*][a-z0-9_.*-]{0,63})=(\((.*?)\)((?:;[a-z*][a-z0-9_.*-]*(?:=(?:"[^"\\]*"|\d{1,15}))?)*))$/;
const componentForm = /^"([@a-z0-9-]+)"(;req)?$/;

/**
 * Parses `Signature-Input` with exactly one member. Escapes, other types, and components with other parameters than
 * `req` are refused, so that there is one signature base.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `signature-input`
 */
export function parseSignatureInput(header: string | undefined): SignatureInput {
  const [, label, text, inner, tail] = inputForm.exec(header?.slice(0, MAX_INPUT_CHARACTERS) ?? "") ?? [];
  if (label === undefined || text === undefined) throw svidInvalid("signature-input");
  const components = (inner ?? "").split(" ").map((part) => {
    const [, name, req] = componentForm.exec(part) ?? [];
    if (name === undefined) throw svidInvalid("signature-input");
    return { name, ofRequest: req !== undefined };
  });
  const parameters = new Map<string, string | number | true>();
  for (const [, name = "", quoted, digits] of (tail ?? "").matchAll(/;([a-z0-9_.*-]+)(?:=(?:"([^"]*)"|(\d+)))?/g)) {
    if (parameters.has(name)) throw svidInvalid("signature-input");
    parameters.set(name, quoted ?? (digits === undefined ? true : Number(digits)));
  }
  const names = components.map(({ name, ofRequest }) => `${name} ${String(ofRequest)}`);
  if (new Set(names).size < names.length) throw svidInvalid("signature-input");
  return { label, components, parameters, text };
}

/** The bytes of the one member of `Signature` under this label. @throws {PeerageError} ERR_SVID_INVALID */
export function parseSignature(header: string | undefined, label: string): Uint8Array {
  const [, name, text] = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]+={0,2}):$/.exec(header ?? "") ?? [];
  if (name !== label || text === undefined) throw svidInvalid("signature-input");
  return Buffer.from(text, "base64");
}
