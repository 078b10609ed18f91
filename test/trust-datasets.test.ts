import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readDataset } from "../bench/trust/dataset.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { evidenceOf } from "../core/src/trust/flow-view.ts";
import { formatScore, publish } from "../core/src/trust/metric.ts";
import { temporaryFolder } from "./_registry.ts";

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

describe("a dataset of one's own", () => {
  const read = (text: string, pack = false) => {
    using folder = temporaryFolder();
    const file = join(folder.path, "own.csv");
    writeFileSync(file, pack ? gzipSync(text) : text);
    return readDataset(file);
  };
  const good =
    "issuer,subject,confidence,time\n0,1,80,1700000000\r\n1,2,50,0\n0,1,90,0\n2,0,-40,0\n\n2,2,10,0\n1,0,7\n";

  it("is read plain or packed, with or without headings and times; the last line of a pair counts", () => {
    for (const { name, graph, netRating, negative } of [read(good), read(good, true), read(`\uFEFF${good}`)]) {
      expect([name, graph.agents, graph.edges, negative]).toEqual(["own", 3, 3, 1]);
      expect(graph.edge(0, 1)?.confidence).toBe(90);
      expect([...netRating]).toEqual([-33, 90, 50]);
    }
  });

  it.each([
    ["0,1,80.5,0", /line 2/],
    ["0,1,101,0", /line 2/],
    ["0,1,0,0", /line 2/],
    ["a,1,80,0", /line 2/],
    ["-1,1,80,0", /line 2/],
    ["0;1;80;0", /line 2/],
    ["0,1", /line 2/],
    ["0,1,80,0,9", /line 2/],
    ["0,99999999,80,0", /line 2/],
  ])("names the line that is wrong: %s", (line, message) => {
    expect(() => read(`0,1,80,0\n${line}\n`)).toThrow(message);
  });

  it("refuses a file without a vouch", () => {
    expect(() => read("issuer,subject,confidence,time\n")).toThrow(/no vouch/);
  });
});
