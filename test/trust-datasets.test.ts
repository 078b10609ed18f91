import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readDataset } from "../bench/trust/dataset.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { evidenceOf } from "../core/src/trust/flow-view.ts";
import { formatScore, publish } from "../core/src/trust/metric.ts";

const folder = resolve(import.meta.dirname, "../../shared/datasets");
const present = existsSync(folder);
if (!present) console.warn("SKIPPED: datasets not found at ../shared/datasets");

interface Reference {
  agents: number;
  vouches: number;
  cases: {
    roots: number[];
    reached: number;
    atLeast: Record<string, number>;
    sum: number;
    scores: [number, number][];
  }[];
}

describe.skipIf(!present).each(["otc", "advogato", "filmtrust"])("the published reference scores of %s", (name) => {
  const reference = present
    ? (JSON.parse(readFileSync(resolve(folder, `${name}.reference.json`), "utf8")) as Reference)
    : { agents: 0, vouches: 0, cases: [] };

  it("are reproduced to six decimals: single scores, sums and counts, by the vector and on demand", () => {
    const { graph } = readDataset(resolve(folder, `${name}.csv.gz`));
    expect([graph.agents, graph.edges]).toEqual([reference.agents, reference.vouches]);
    expect(reference.cases.length).toBeGreaterThan(0);
    for (const { roots, reached, atLeast, sum, scores } of reference.cases) {
      const state = new FlowState(graph, roots);
      const found: number[] = [];
      for (let agent = 0; agent < graph.agents; agent++) {
        if (state.evidence(agent) > 0) found.push(Math.min(1, state.evidence(agent)));
      }
      expect(found.length).toBe(reached);
      expect(found.reduce((a, b) => a + b).toFixed(4)).toBe(sum.toFixed(4));
      for (const [threshold, count] of Object.entries(atLeast)) {
        expect(found.filter((score) => score >= Number(threshold)).length).toBe(count);
      }
      for (const [agent, score] of scores) {
        expect(formatScore(publish(Math.min(1, state.evidence(agent))))).toBe(score.toFixed(6));
        expect(evidenceOf(graph, roots, agent)).toBe(state.evidence(agent));
      }
    }
  });
});
