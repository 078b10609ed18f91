import { toHex } from "@peerage/core";
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

/** BOOLEAN: FF or 00, no other byte. @throws {PeerageError} ERR_SVID_INVALID */
export function booleanOf(der: Der): boolean {
  const [value, ...more] = contentOf(expectTag(der, tags.boolean));
  if (more.length > 0 || (value !== 0 && value !== 0xff)) throw malformed();
  return value === 0xff;
}

/** A non-negative INTEGER below 2^31, in its shortest form. @throws {PeerageError} ERR_SVID_INVALID */
export function smallIntegerOf(der: Der): number {
  const content = contentOf(checkInteger(der));
  if (content.length > 4 || (content[0] ?? 0) >= 0x80) throw malformed();
  return content.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** An INTEGER of any size in its shortest form. @throws {PeerageError} ERR_SVID_INVALID */
export function checkInteger(der: Der | undefined): Der {
  const integer = expectTag(der, tags.integer);
  const [first, second] = contentOf(integer);
  if (first === undefined) throw malformed();
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) throw malformed();
  return integer;
}

/** BIT STRING: the bytes, and how many bits of the last one are unused and must be 0. */
export function bitStringOf(der: Der | undefined): { readonly bytes: Uint8Array; readonly unused: number } {
  const content = contentOf(expectTag(der, tags.bitString));
  const unused = content[0];
  const bytes = content.subarray(1);
  if (unused === undefined || unused > 7 || (bytes.length === 0 && unused > 0)) throw malformed();
  if (((bytes.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0) throw malformed();
  return { bytes, unused };
}

/** OBJECT IDENTIFIER as hexadecimal of its content: compared, never shown. @throws {PeerageError} ERR_SVID_INVALID */
export function oidOf(der: Der | undefined): string {
  const content = contentOf(expectTag(der, tags.oid));
  if (content.length === 0 || (content.at(-1) ?? 0) >= 0x80) throw malformed();
  let starts = true;
  for (const byte of content) {
    if (starts && byte === 0x80) throw malformed();
    starts = byte < 0x80;
  }
  return toHex(content);
}

/** UTCTime or GeneralizedTime with seconds and `Z` (RFC 5280 section 4.1.2.5), as Unix seconds. */
export function timeOf(der: Der | undefined): number {
  if (der === undefined) throw malformed();
  const content = contentOf(der);
  const isShort = der.tag === tags.utcTime;
  if (!isShort) expectTag(der, tags.generalizedTime);
  if (content.length !== (isShort ? 13 : 15) || content.at(-1) !== 0x5a) throw malformed();
  // Two digits each: century (not in UTCTime), year, month, day, hour, minute, second.
  const pairs: number[] = [];
  for (let i = 0; i < content.length - 1; i += 2) pairs.push(digitOf(content[i]) * 10 + digitOf(content[i + 1]));
  if (isShort) pairs.unshift((pairs[0] ?? 0) < 50 ? 20 : 19);
  const [century = 0, short = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = pairs;
  const year = century * 100 + short;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // An instant that does not exist, such as the 30th of February, comes back as another one.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!exists || year < 1_000 || minute > 59 || second > 59) throw malformed();
  return date.getTime() / 1000;
}

function digitOf(byte: number | undefined): number {
  if (byte === undefined || byte < 0x30 || byte > 0x39) throw malformed();
  return byte - 0x30;
}

/** IA5String content. @throws {PeerageError} ERR_SVID_INVALID if a byte is not ASCII */
export function asciiOf(der: Der): string {
  const bytes = contentOf(der);
  if (bytes.some((byte) => byte > 0x7f)) throw malformed();
  return Buffer.from(bytes).toString("latin1");
}

function malformed(): Error {
  return svidInvalid("malformed");
}
