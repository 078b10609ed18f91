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

/**
 * Reads `issuer,subject,confidence,time` with integers, plain or gzipped. Confidences 1..100 are vouches, negative ones
 * distrust; of several lines for one pair the last counts.
 */
export function readDataset(file: string): Dataset {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const pairs = new Map<string, { issuer: number; subject: number; confidence: number }>();
  let agents = 0;
  for (const line of text.split(/\r?\n/)) {
    if (!/^\d/.test(line)) continue;
    const [issuer, subject, confidence] = line.split(",").map(Number) as [number, number, number];
    if (![issuer, subject, confidence].every(Number.isInteger) || Math.abs(confidence) > 100) {
      throw new RangeError(`${file}: not issuer,subject,confidence,time: ${line}`);
    }
    agents = Math.max(agents, issuer + 1, subject + 1);
    if (issuer !== subject) pairs.set(`${issuer},${subject}`, { issuer, subject, confidence });
  }
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
