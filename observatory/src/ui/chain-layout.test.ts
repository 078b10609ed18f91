import type { Did, Digest } from "@peerage/core";
import { describe, expect, it } from "vitest";
import type { Term } from "../working.ts";
import { layoutChains } from "./chain-layout.ts";

const agent = (name: string): { did: Did } => ({ did: `did:key:z6Mk${name}` });

/** A term whose chain leads through these agents. */
function term(value: number, ...names: string[]): Term {
  const chain = names.slice(1).map((name, i) => ({
    from: agent(names[i]!),
    to: agent(name),
    vouch: `sha256:${names[i]}${name}` as Digest,
    confidence: 70,
  }));
  const voucher = chain.at(-1)!.from;
  const factors = { root: names.length === 2, decay: 0.7, power: 1, dilution: 1, weight: 0.7 };
  return { voucher, vouch: chain.at(-1)!.vouch, ...factors, value, addend: value.toFixed(6), chain };
}

describe("the drawing of chains", () => {
  it("gives every chain its own row and draws what they share once", () => {
    const terms = [term(0.5, "R", "T"), term(0.3, "R", "A", "T"), term(0.2, "R", "A", "B", "T")];
    const { nodes, runs } = layoutChains(terms, agent("T"));
    expect(nodes.map((node) => node.agent.did.slice(-1)).sort()).toEqual(["A", "B", "R", "T"]);
    expect(runs.map(({ step }) => step.vouch.slice(7)).sort()).toEqual(["AB", "AT", "BT", "RA", "RT"]);
    expect(runs.filter(({ gain }) => gain !== undefined).map(({ gain }) => Number(gain))).toEqual([0.5, 0.3, 0.2]);
    expect(nodes.some(({ again }) => again)).toBe(false);
  });

  it("marks an agent that stands on two chains", () => {
    const { nodes } = layoutChains([term(0.3, "R", "A", "T"), term(0.2, "S", "A", "T")], agent("T"));
    expect(nodes.filter(({ again }) => again).map((node) => node.agent.did.slice(-1))).toEqual(["A"]);
  });

  it("keeps labels off the agents and everything inside the picture", () => {
    const terms = [term(0.5, "R", "T"), term(0.3, "R", "A", "T"), term(0.2, "S", "B", "C", "D", "E", "T")];
    const { nodes, runs, width, height } = layoutChains(terms, agent("T"));
    for (const { x, y, radius } of nodes) {
      expect(x - radius).toBeGreaterThan(0);
      expect(x + radius).toBeLessThan(width);
      expect(y + radius + 32).toBeLessThanOrEqual(height);
      for (const { label } of runs) expect(Math.hypot(label.x - x, label.y - y)).toBeGreaterThan(radius + 6);
    }
  });
});
