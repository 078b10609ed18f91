import { parseMultibaseKey } from "../did/did-key.ts";
import { x25519PublicKey } from "./x25519.ts";

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const PREFIX = "age";

/**
 * The age recipient (`age1…`, 62 characters) to which a message for an Ed25519 key is sealed: Bech32 (BIP 173) of its
 * X25519 form. Any age tool encrypts to it.
 * @throws {PeerageError} ERR_DID_INVALID if the key is not acceptable
 * @see https://age-encryption.org/v1
 */
export function ageRecipient(key: string): string {
  const words = fiveBits(x25519PublicKey(parseMultibaseKey(key)));
  return `${PREFIX}1${[...words, ...checksum(words)].map((word) => ALPHABET[word]).join("")}`;
}

/** Bytes as groups of five bits, the last one filled up with zeros. */
function fiveBits(bytes: Uint8Array): number[] {
  const words: number[] = [];
  let [buffer, bits] = [0, 0];
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) words.push((buffer >> (bits - 5)) & 31);
  }
  if (bits > 0) words.push((buffer << (5 - bits)) & 31);
  return words;
}

/** The six words after the data, for which the polynomial of all is 1. */
function checksum(words: readonly number[]): number[] {
  const name = Array.from(PREFIX, (character) => character.charCodeAt(0));
  const all = [...name.map((code) => code >> 5), 0, ...name.map((code) => code & 31), ...words, 0, 0, 0, 0, 0, 0];
  const mod = polymod(all) ^ 1;
  return [25, 20, 15, 10, 5, 0].map((shift) => (mod >> shift) & 31);
}

function polymod(words: readonly number[]): number {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let state = 1;
  for (const word of words) {
    const top = state >> 25;
    state = ((state & 0x1ffffff) << 5) ^ word;
    generator.forEach((value, i) => {
      if ((top >> i) & 1) state ^= value;
    });
  }
  return state;
}
