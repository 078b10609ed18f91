import { fromUtf8 } from "@peerage/core";
import { svidInvalid } from "./refuse.ts";

const MAX_SEQUENCE = 2n ** 64n - 1n;
const stringThenNumber = /("(?:[^"\\]|\\.)*")(\s*:\s*(-?[0-9][0-9.eE+-]*))?/gs;

/**
 * Rewrites each number under `spiffe_sequence` into a list of one string, `7` into `["7"]`. It has 64 bits, and a
 * JSON reader that makes doubles of numbers would take 18446744073709551615 and its neighbours for one another, so
 * that a rollback by one went unseen.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `sequence`, if it is no unsigned 64-bit integer
 */
export function takeSequences(input: string | Uint8Array): string {
  const text = typeof input === "string" ? input : fromUtf8(input);
  return text.replace(stringThenNumber, (all: string, name: string, rest?: string, literal?: string) => {
    if (name !== '"spiffe_sequence"' || rest === undefined || literal === undefined) return all;
    if (!/^(?:0|[1-9][0-9]{0,19})$/.test(literal) || BigInt(literal) > MAX_SEQUENCE) throw svidInvalid("sequence");
    return `${name}: ["${literal}"]`;
  });
}
