const standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const urlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function reverse(alphabet: string): Int8Array {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
}
const standardValues = reverse(standard);
const urlSafeValues = reverse(urlSafe);

function encode(bytes: Uint8Array, alphabet: string): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const length = Math.min(bytes.length - i, 3) + 1;
    for (let j = 0; j < length; j++) out += alphabet.charAt((word >> (18 - 6 * j)) & 63);
  }
  return out;
}

function decode(text: string, values: Int8Array): Uint8Array {
  const rest = text.length % 4;
  if (rest === 1) throw new TypeError("not base64: impossible length");
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? (values[code] ?? -1) : -1;
    if (value < 0) throw new TypeError("not base64: character outside the alphabet");
    bits = (bits << 6) | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[at++] = (bits >> held) & 255;
      bits &= (1 << held) - 1;
    }
  }
  if (bits !== 0) throw new TypeError("not base64: unused bits are set");
  return out;
}

interface NodeBuffer {
  from(bytes: ArrayBufferLike, offset: number, length: number): { toString(encoding: "base64url"): string };
}
/** Node's own encoder is many times as fast, and every proof and receipt is written by it; browsers have none. */
const nodeBuffer = (globalThis as { Buffer?: NodeBuffer }).Buffer;

/** Base64url without padding (RFC 4648 section 5, as in RFC 7515). */
export function toBase64url(bytes: Uint8Array): string {
  if (nodeBuffer) return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
  return encode(bytes, urlSafe);
}

/**
 * Decodes base64url; refuses padding, foreign characters and unused bits that are set, so one value has one text.
 * @throws {TypeError} if the text is not the canonical encoding of some bytes
 */
export function fromBase64url(text: string): Uint8Array {
  return decode(text, urlSafeValues);
}

/** Base64 with padding (RFC 4648 section 4), as C2SP formats use it. */
export function toBase64(bytes: Uint8Array): string {
  const text = encode(bytes, standard);
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

/**
 * Decodes padded base64; refuses every text that {@link toBase64} would not write.
 * @throws {TypeError} if the text is not canonical
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new TypeError("not base64: padding is missing");
  return decode(text.replace(/={1,2}$/, ""), standardValues);
}
