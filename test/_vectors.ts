import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";

/** The public vectors stand beside the repository; users do not have them. */
const folder = resolve(import.meta.dirname, "../../shared/vectors");

/** False where `../shared/vectors` is absent: tests that need it skip, and say so. */
export const vectorsPresent: boolean = existsSync(resolve(folder, "MANIFEST.tsv"));
if (!vectorsPresent) console.warn("SKIPPED: shared vectors not found at ../shared/vectors");

/** Bytes of a vector file, e.g. `peerage-golden/golden.json`; a packed file is unpacked. */
export function vectorBytes(path: string): Buffer {
  const file = resolve(folder, path);
  return existsSync(file) ? readFileSync(file) : gunzipSync(readFileSync(`${file}.gz`));
}

/** A vector file parsed by the plain JSON parser. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each suite's own
export function vectorJson(path: string): any {
  return JSON.parse(vectorBytes(path).toString("utf8"));
}

interface GoldenCase {
  readonly id: string;
  readonly comment: string;
  readonly valid: boolean;
  readonly attack?: string;
  readonly stage?: number;
  readonly now?: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each section's own
  readonly [member: string]: any;
}

/** One section of the project's golden vectors, with its number of valid and invalid cases checked against the README. */
export function goldenCases(section: string, counts: { valid: number; invalid: number }): readonly GoldenCase[] {
  const cases = vectorJson("peerage-golden/golden.json")[section] as GoldenCase[];
  const valid = cases.filter((c) => c.valid).length;
  if (valid !== counts.valid || cases.length - valid !== counts.invalid) {
    throw new Error(`peerage-golden: section ${section} has ${valid} valid and ${cases.length - valid} invalid cases`);
  }
  return cases;
}

/** The clock of every golden case that names no other, Unix seconds. */
export const GOLDEN_NOW = 1_795_200_010;
