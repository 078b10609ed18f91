import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { EdgeGraph } from "../../core/src/trust/edge-graph.ts";

/** A trust network read from a file. */
export interface Dataset {
  readonly name: string;
  readonly graph: EdgeGraph;
  /** Per agent, the sum of all ratings it received, negative ones included: who is honest, for the experiments. */
  readonly netRating: Float64Array;
  /** Number of negative ratings, which the metric does not see. */
  readonly negative: number;
}

/** Agents are numbered; a number above this is taken for a mistake, because arrays have an entry for each below it. */
const MOST_AGENTS = 20_000_000;

/**
 * Reads `issuer,subject,confidence,time` with integers, plain or gzipped; the time may be missing, and so may a line of
 * headings. Confidences 1..100 are vouches, negative ones distrust; of several lines for one pair the last counts.
 * @throws {RangeError} a line that is not so, with its number, or a file without vouches
 */
export function readDataset(file: string): Dataset {
  const bytes = readFileSync(file);
  const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8");
  const pairs = new Map<string, { issuer: number; subject: number; confidence: number }>();
  let agents = 0;
  for (const [i, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === "" || line.startsWith("#") || (i === 0 && /^\s*"?[a-z]/i.test(line))) continue;
    const [issuer = "", subject = "", confidence = "", ...rest] = line.split(",").map((field) => field.trim());
    const isNumber = (field: string): boolean => /^\d+$/.test(field) && Number(field) < MOST_AGENTS;
    const isConfidence = /^-?\d+$/.test(confidence) && Math.abs(Number(confidence)) <= 100 && Number(confidence) !== 0;
    if (!isNumber(issuer) || !isNumber(subject) || !isConfidence || rest.length > 1) {
      throw new RangeError(
        `${basename(file)}, line ${i + 1}: not issuer,subject,confidence,time: ${line.slice(0, 80)}`,
      );
    }
    const edge = { issuer: Number(issuer), subject: Number(subject), confidence: Number(confidence) };
    agents = Math.max(agents, edge.issuer + 1, edge.subject + 1);
    if (issuer !== subject) pairs.set(`${edge.issuer},${edge.subject}`, edge);
  }
  if (pairs.size === 0) throw new RangeError(`${basename(file)}: no vouch in it`);
  const netRating = new Float64Array(agents);
  for (const { subject, confidence } of pairs.values()) netRating[subject]! += confidence;
  const vouches = [...pairs.values()].filter(({ confidence }) => confidence > 0);
  return {
    name: basename(file).replace(/\.csv(\.gz)?$/, ""),
    graph: new EdgeGraph({
      agents,
      issuers: Uint32Array.from(vouches, (v) => v.issuer),
      subjects: Uint32Array.from(vouches, (v) => v.subject),
      confidences: Uint8Array.from(vouches, (v) => v.confidence),
    }),
    netRating,
    negative: [...pairs.values()].filter(({ confidence }) => confidence < 0).length,
  };
}
