const LEAST_BYTES = 1_024;

/**
 * The length to which a content is padded: at least 1 KiB, then as Padmé rounds up, by at most 12 %, so that a length tells
 * O(log log n) bits; never above `most`, and `length` itself where that is more.
 * @see Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019, section 4
 */
export function paddedLength(length: number, most: number): number {
  if (length <= LEAST_BYTES) return Math.min(LEAST_BYTES, Math.max(most, length));
  const exponent = Math.floor(Math.log2(length));
  const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
  return Math.max(length, Math.min(most, Math.ceil(length / step) * step));
}
