import { svidInvalid } from "./refuse.ts";

/** One element of DER (ITU-T X.690): the tag byte and where it and its content stand in `bytes`. */
export interface Der {
  readonly bytes: Uint8Array;
  /** Class, form and number in one byte; numbers above 30 are refused. */
  readonly tag: number;
  /** Offset of the tag byte. */
  readonly start: number;
  /** Offset of the first byte of the content. */
  readonly content: number;
  /** Offset behind the last byte of the content. */
  readonly end: number;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/**
 * Reads the element at `offset`: definite length in its shortest form, at most 2^24 bytes, within `limit`.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `malformed`
 */
export function readDer(bytes: Uint8Array, offset: number = 0, limit: number = bytes.length): Der {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || offset + 2 > limit || (tag & 0x1f) === 0x1f) throw malformed();
  let content = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3 || content + count > limit) throw malformed();
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[content + i] ?? 0);
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw malformed();
    content += count;
  }
  if (content + length > limit) throw malformed();
  return { bytes, tag, start: offset, content, end: content + length };
}

/** Reads bytes that hold one element and nothing after it. @throws {PeerageError} ERR_SVID_INVALID */
export function readWhole(bytes: Uint8Array, tag: number): Der {
  const der = readDer(bytes);
  if (der.end !== bytes.length) throw malformed();
  return expectTag(der, tag);
}

/** The one element that an OCTET STRING wraps, with nothing after it. @throws {PeerageError} ERR_SVID_INVALID */
export function wrappedIn({ bytes, content, end }: Der, tag: number): Der {
  const der = readDer(bytes, content, end);
  if (der.end !== end) throw malformed();
  return expectTag(der, tag);
}

/** The elements inside a constructed one. @throws {PeerageError} ERR_SVID_INVALID */
export function children(der: Der): Der[] {
  if ((der.tag & 0x20) === 0) throw malformed();
  const out: Der[] = [];
  for (let offset = der.content; offset < der.end;) {
    const child = readDer(der.bytes, offset, der.end);
    out.push(child);
    offset = child.end;
  }
  return out;
}

/** The elements of a SEQUENCE. @throws {PeerageError} ERR_SVID_INVALID */
export function sequence(der: Der | undefined): Der[] {
  return children(expectTag(der, tags.sequence));
}

/** @throws {PeerageError} ERR_SVID_INVALID if there is no element, or one with another tag */
export function expectTag(der: Der | undefined, tag: number): Der {
  if (der?.tag !== tag) throw malformed();
  return der;
}

/** The content, without tag and length. */
export function contentOf(der: Der): Uint8Array {
  return der.bytes.subarray(der.content, der.end);
}

/** The whole element, tag and length included. */
export function rawOf(der: Der): Uint8Array {
  return der.bytes.subarray(der.start, der.end);
}

// A view of a few bytes costs more than reading them, and a certificate has some forty elements: the readers below
// look at the bytes in their place.

/** BOOLEAN: FF or 00, no other byte. @throws {PeerageError} ERR_SVID_INVALID */
export function booleanOf(der: Der): boolean {
  const { bytes, content, end } = expectTag(der, tags.boolean);
  const value = bytes[content];
  if (end - content !== 1 || (value !== 0 && value !== 0xff)) throw malformed();
  return value === 0xff;
}

/** A non-negative INTEGER below 2^31, in its shortest form. @throws {PeerageError} ERR_SVID_INVALID */
export function smallIntegerOf(der: Der): number {
  const { bytes, content, end } = checkInteger(der);
  if (end - content > 4 || (bytes[content] ?? 0) >= 0x80) throw malformed();
  let sum = 0;
  for (let at = content; at < end; at++) sum = sum * 256 + (bytes[at] ?? 0);
  return sum;
}

/** An INTEGER of any size in its shortest form. @throws {PeerageError} ERR_SVID_INVALID */
export function checkInteger(der: Der | undefined): Der {
  const integer = expectTag(der, tags.integer);
  const { bytes, content, end } = integer;
  if (end === content) throw malformed();
  const [first = 0, second = 0] = [bytes[content], bytes[content + 1]];
  if (end - content > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) throw malformed();
  return integer;
}

/** BIT STRING: the bytes, and how many bits of the last one are unused and must be 0. */
export function bitStringOf(der: Der | undefined): { readonly bytes: Uint8Array; readonly unused: number } {
  const { bytes, content, end } = expectTag(der, tags.bitString);
  const unused = bytes[content] ?? 0;
  const length = end - content - 1;
  if (length < 0 || unused > 7 || (length === 0 && unused > 0)) throw malformed();
  if (length > 0 && ((bytes[end - 1] ?? 0) & ((1 << unused) - 1)) !== 0) throw malformed();
  return { bytes: bytes.subarray(content + 1, end), unused };
}

/** OBJECT IDENTIFIER as hexadecimal of its content: compared, never shown. @throws {PeerageError} ERR_SVID_INVALID */
export function oidOf(der: Der | undefined): string {
  const { bytes, content, end } = expectTag(der, tags.oid);
  if (content === end || (bytes[end - 1] ?? 0) >= 0x80) throw malformed();
  let starts = true;
  let out = "";
  for (let at = content; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (starts && byte === 0x80) throw malformed();
    starts = byte < 0x80;
    out += hexPairs[byte] ?? "";
  }
  return out;
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** UTCTime or GeneralizedTime with seconds and `Z` (RFC 5280 section 4.1.2.5), as Unix seconds. */
export function timeOf(der: Der | undefined): number {
  if (der === undefined) throw malformed();
  const { bytes, content, end } = der;
  const isShort = der.tag === tags.utcTime;
  if (!isShort) expectTag(der, tags.generalizedTime);
  if (end - content !== (isShort ? 13 : 15) || bytes[end - 1] !== 0x5a) throw malformed();
  const at = isShort ? content : content + 2;
  const short = pairAt(bytes, at);
  const year = (isShort ? (short < 50 ? 20 : 19) : pairAt(bytes, content)) * 100 + short;
  const [month, day, hour] = [pairAt(bytes, at + 2), pairAt(bytes, at + 4), pairAt(bytes, at + 6)];
  const [minute, second] = [pairAt(bytes, at + 8), pairAt(bytes, at + 10)];
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // An instant that does not exist, such as the 30th of February, comes back as another one.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!exists || year < 1_000 || minute > 59 || second > 59) throw malformed();
  return date.getTime() / 1000;
}

function pairAt(bytes: Uint8Array, at: number): number {
  return digitOf(bytes[at]) * 10 + digitOf(bytes[at + 1]);
}

function digitOf(byte: number | undefined): number {
  if (byte === undefined || byte < 0x30 || byte > 0x39) throw malformed();
  return byte - 0x30;
}

/** IA5String content. @throws {PeerageError} ERR_SVID_INVALID if a byte is not ASCII */
export function asciiOf(der: Der): string {
  const { bytes, content, end } = der;
  for (let at = content; at < end; at++) if ((bytes[at] ?? 0) > 0x7f) throw malformed();
  return latin1Of(bytes, content, end);
}

/** Bytes as text, one character a byte: for comparing. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

function malformed(): Error {
  return svidInvalid("malformed");
}
