import { concat, fromHex, fromUtf8, toHex, utf8 } from "../encoding/bytes.ts";
import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { verifySignatureAsync } from "../ed25519/verify.ts";
import { cosign, formatCosignature, verifyCosignature } from "./cosignature.ts";
import { checkpointError, isKeyName, type NoteSigner, type VerifierKey, WITNESS_TYPE } from "./verifier-key.ts";

/** Most signature lines that a note may carry. */
export const MAX_SIGNATURES = 64;
/** Longest note, in bytes. */
export const MAX_NOTE_BYTES = 65_536;

/** One signature line. */
export interface NoteSignature {
  readonly name: string;
  /** 8 lower-case hexadecimal digits. */
  readonly keyId: string;
  /** What follows the key id: 64 bytes of type 0x01, 72 of type 0x04. */
  readonly signature: Uint8Array;
}

/** A signature line that verified. */
export interface VerifiedSignature extends NoteSignature {
  readonly key: VerifierKey;
  /** Seconds since 1970 that a cosignature (0x04) stamps. */
  readonly time?: number;
}

/** The parts of a note, none of them verified. */
export interface ParsedNote {
  /** Ends with a newline. */
  readonly text: string;
  /** As they stand, repeated ones too. */
  readonly signatures: readonly NoteSignature[];
}

/** A note of which at least one signature verified. */
export interface OpenedNote {
  readonly text: string;
  /** One for each known key, in the order of the lines. */
  readonly signed: readonly VerifiedSignature[];
  /** Lines of keys that are not known: nothing is to be concluded from them. */
  readonly unknown: readonly NoteSignature[];
}

/**
 * Splits a note at its last blank line and reads the signature lines. Verifies nothing.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 * @see https://c2sp.org/signed-note
 */
export function parseNote(note: string | Uint8Array): ParsedNote {
  const whole = readText(note);
  const split = whole.lastIndexOf("\n\n");
  if (split < 0 || !whole.endsWith("\n")) throw checkpointError("form");
  const lines = whole.slice(split + 2, -1);
  if (split + 2 === whole.length) throw checkpointError("no-signatures");
  const signatures = lines.split("\n");
  if (signatures.length > MAX_SIGNATURES) throw checkpointError("too-many");
  return { text: whole.slice(0, split + 1), signatures: signatures.map(parseSignatureLine) };
}

/** Writes a note. @throws {PeerageError} ERR_CHECKPOINT_INVALID if {@link parseNote} would not read it back */
export function formatNote({ text, signatures }: ParsedNote): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    return `— ${name} ${toBase64(concat(fromHex(keyId), signature))}\n`;
  });
  const note = `${text}\n${lines.join("")}`;
  if (parseNote(note).text !== text) throw checkpointError("form");
  return note;
}

/**
 * Verifies every line of a known key; a known key is one with the same whole name and key id. Lines of other keys are
 * ignored. One bad signature of a known key spoils the note.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID also if no line is of a known key (`unverified`) or if two of `keys`
 *   have the name and id of a line (`ambiguous-key`)
 */
export async function openNote(note: string | Uint8Array, keys: readonly VerifierKey[]): Promise<OpenedNote> {
  const { text, signatures } = parseNote(note);
  const signed = new Map<VerifierKey, VerifiedSignature>();
  const unknown: NoteSignature[] = [];
  for (const line of signatures) {
    const known = keys.filter((key) => key.name === line.name && key.keyId === line.keyId);
    if (known.length > 1) throw checkpointError("ambiguous-key");
    const [key] = known;
    if (key) {
      if (!signed.has(key)) signed.set(key, await verifyLine(text, line, key));
    } else if (!unknown.some((other) => isSameKey(other, line))) {
      unknown.push(line);
    }
  }
  if (signed.size === 0) throw checkpointError("unverified");
  return { text, signed: [...signed.values()], unknown };
}

/**
 * Signs a text that ends with a newline. Lines stand in the order of the signers; those of type 0x04 stamp `now`.
 * @throws {TypeError} if a signer of type 0x04 is there and `now` is not
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID if the text cannot stand in a note
 */
export async function signNote(text: string, signers: readonly NoteSigner[], now?: Date): Promise<string> {
  return formatNote({ text, signatures: await Promise.all(signers.map((signer) => signLine(text, signer, now))) });
}

/**
 * Adds a signature line to a note, in place of the older one of the same key if there is one. Verifies nothing: whoever
 * cosigns has opened the note and checked that the tree grew.
 */
export async function addSignature(note: string | Uint8Array, signer: NoteSigner, now?: Date): Promise<string> {
  const { text, signatures } = parseNote(note);
  const line = await signLine(text, signer, now);
  return formatNote({ text, signatures: [...signatures.filter((other) => !isSameKey(other, line)), line] });
}

async function signLine(text: string, signer: NoteSigner, now: Date | undefined): Promise<NoteSignature> {
  const { name, keyId, type } = signer.key;
  if (type !== WITNESS_TYPE) {
    const signature = await signer.sign(utf8(text));
    if (signature.length !== 64) throw new RangeError("an Ed25519 signature has 64 bytes");
    return { name, keyId, signature };
  }
  if (!now) throw new TypeError("a cosignature needs the time");
  const time = Math.floor(now.getTime() / 1000);
  return { name, keyId, signature: formatCosignature(await cosign(text, time, signer)) };
}

function isSameKey(a: NoteSignature, b: NoteSignature): boolean {
  return a.name === b.name && a.keyId === b.keyId;
}

async function verifyLine(text: string, line: NoteSignature, key: VerifierKey): Promise<VerifiedSignature> {
  if (key.type === WITNESS_TYPE) return { ...line, key, time: await verifyCosignature(text, line.signature, key) };
  if (!(await verifySignatureAsync(key.publicKey, utf8(text), line.signature))) throw checkpointError("signature");
  return { ...line, key };
}

function parseSignatureLine(line: string): NoteSignature {
  const [name, encoded] = line.startsWith("— ") ? line.slice(2).split(" ") : [];
  if (name === undefined || encoded === undefined || `— ${name} ${encoded}` !== line || !isKeyName(name)) {
    throw checkpointError("signature-line");
  }
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(encoded);
  } catch {
    throw checkpointError("signature-line");
  }
  if (bytes.length < 5) throw checkpointError("signature-line");
  return { name, keyId: toHex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

/** Text without control characters but newline; a note travels as bytes, so strings must be well formed too. */
function readText(note: string | Uint8Array): string {
  if (note.length > MAX_NOTE_BYTES) throw checkpointError("too-long");
  let text: string;
  if (typeof note === "string") {
    text = note;
    if (!text.isWellFormed()) throw checkpointError("utf8");
  } else {
    try {
      text = fromUtf8(note);
    } catch {
      throw checkpointError("utf8");
    }
  }

  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw checkpointError("control");
  return text;
}
