import { Point } from "@noble/ed25519";

/** Little-endian 32 bytes, so that bounds compare without big integers on the hot path. */
function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

const p = 2n ** 255n - 19n;
const fieldPrime = littleEndian(p);
const groupOrder = littleEndian(2n ** 252n + 27742317777372353535851937790883648493n);
const order8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

/** y of every point whose order divides 8. Both signs of x belong to each, so the sign bit is not looked at. */
const smallOrderY = [1n, p - 1n, 0n, order8, p - order8].map(littleEndian);

/** Compares little-endian numbers; `topMask` clears bits of the last byte of `a` first. */
function lessThan(a: Uint8Array, offset: number, topMask: number, bound: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const digit = (a[offset + i] ?? 0) & (i === 31 ? topMask : 255);
    const limit = bound[i] ?? 0;
    if (digit !== limit) return digit < limit;
  }
  return false;
}

function hasY(point: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i++) if (point[i] !== y[i]) return false;
  return ((point[31] ?? 0) & 127) === y[31];
}

/** The first condition that a key or signature fails, as a stable word; see the README of the shared vectors. */
export type Ed25519Defect =
  | "key-length"
  | "key-non-canonical"
  | "key-not-on-curve"
  | "key-small-order"
  | "key-mixed-order"
  | "sig-length"
  | "s-out-of-range"
  | "r-non-canonical"
  | "r-small-order";

function isSmallOrder(point: Uint8Array): boolean {
  return smallOrderY.some((y) => hasY(point, y));
}

/** x = 0 has one sign only: the encodings "minus zero" of y = 1 and y = −1 are a second text for one point. */
function isMinusZero(point: Uint8Array): boolean {
  return ((point[31] ?? 0) & 128) !== 0 && smallOrderY.slice(0, 2).some((y) => hasY(point, y));
}

/**
 * What is wrong with a 32-byte public key, or undefined: canonical encoding, on the curve, not of small order, free of
 * torsion. Costs one scalar multiplication (about 1 ms); callers cache the answer.
 * @see RFC 8032 section 5.1.3
 */
export function publicKeyDefect(key: Uint8Array): Ed25519Defect | undefined {
  if (key.length !== 32) return "key-length";
  if (!lessThan(key, 0, 127, fieldPrime) || isMinusZero(key)) return "key-non-canonical";
  if (isSmallOrder(key)) return "key-small-order";
  const point = decodePoint(key);
  if (!point) return "key-not-on-curve";
  return point.isTorsionFree() ? undefined : "key-mixed-order";
}

/**
 * What is wrong with the form of a 64-byte signature, or undefined: S < L; R canonical and not of small order. Cheap
 * byte comparisons; whether the equation holds is not looked at.
 */
export function signatureDefect(signature: Uint8Array): Ed25519Defect | undefined {
  if (signature.length !== 64) return "sig-length";
  if (!lessThan(signature, 32, 255, groupOrder)) return "s-out-of-range";
  const r = signature.subarray(0, 32);
  if (!lessThan(r, 0, 127, fieldPrime)) return "r-non-canonical";
  return isSmallOrder(r) ? "r-small-order" : undefined;
}

/** True if R is on the curve and free of torsion: what a cofactored equation needs to agree with a cofactorless one. */
export function isTorsionFreePoint(bytes: Uint8Array): boolean {
  return decodePoint(bytes)?.isTorsionFree() ?? false;
}

function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}
