import type { EdgeEdit } from "../../core/src/trust/edge-graph.ts";
import { randomFrom } from "./random.ts";

/** Fakes 0 … count − 1 who vouch for one another at full confidence, and whom the fooled agents vouch for. */
export interface Attack {
  readonly name: string;
  readonly count: number;
  readonly edges: readonly EdgeEdit[];
  /** The fake that the i-th fooled agent vouches for. */
  readonly entry: (i: number) => number;
}

function attack(name: string, count: number, pairs: Iterable<readonly [number, number]>, entries = 1): Attack {
  const seen = new Set<number>();
  const edges: EdgeEdit[] = [];
  for (const [issuer, subject] of pairs) {
    const key = issuer * count + subject;
    if (issuer === subject || seen.has(key)) continue;
    seen.add(key);
    edges.push({ issuer, subject, confidence: 100 });
  }
  return { name, count, edges, entry: (i) => i % entries };
}

/** One hub, or several that all vouch for the same leaves. */
function* star(hubs: number, count: number): Generator<[number, number]> {
  for (let hub = 0; hub < hubs; hub++) for (let leaf = hubs; leaf < count; leaf++) yield [hub, leaf];
}

/** As many stars as there are fooled agents, one hub for each. */
function* starEach(fooled: number, leaves: number): Generator<[number, number]> {
  for (let hub = 0; hub < fooled; hub++) for (let i = 0; i < leaves; i++) yield [hub, fooled + hub * leaves + i];
}

function* clique(count: number): Generator<[number, number]> {
  for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) yield [i, j];
}

function* chain(count: number): Generator<[number, number]> {
  for (let i = 0; i + 1 < count; i++) yield [i, i + 1];
}

function* tree(branches: number, count: number): Generator<[number, number]> {
  for (let i = 1; i < count; i++) yield [Math.floor((i - 1) / branches), i];
}

function* mesh(degree: number, count: number): Generator<[number, number]> {
  const random = randomFrom(degree * 1009 + count);
  for (let i = 0; i < count; i++) for (let k = 0; k < degree; k++) yield [i, Math.floor(random() * count)];
}

/** Layers of the same width, each agent vouching for the whole next layer: every fake has several vouchers. */
function* layers(width: number, count: number): Generator<[number, number]> {
  for (let i = 0; i < count; i++) {
    const first = (Math.floor(i / width) + 1) * width;
    for (let j = first; j < Math.min(count, first + width); j++) yield [i, j];
  }
}

/** The shapes against which the table is made: what so many fooled vouchers can be turned into. */
export function attacksBy(fooled: number): readonly Attack[] {
  return [...fixed, attack("star of 1,000 each", fooled * 1000, starEach(fooled, 999), fooled)];
}

const fixed: readonly Attack[] = [
  attack("alone", 20, [], 20),
  attack("star of 12", 13, star(1, 13)),
  attack("star of 25", 26, star(1, 26)),
  attack("star of 30", 31, star(1, 31)),
  attack("star of 1,000", 1000, star(1, 1000)),
  attack("two hubs, 30 leaves", 32, star(2, 32), 2),
  attack("two hubs, 1,000 leaves", 1000, star(2, 1000), 2),
  attack("five hubs, 100 leaves", 105, star(5, 105), 5),
  attack("chain of 100", 100, chain(100)),
  attack("tree by 3", 1000, tree(3, 1000)),
  attack("tree by 30", 1000, tree(30, 1000)),
  attack("clique of 10", 10, clique(10)),
  attack("clique of 30, many entries", 30, clique(30), 30),
  attack("clique of 120", 120, clique(120)),
  attack("layers of 10", 500, layers(10, 500), 10),
  attack("mesh of 1,000 by 10", 1000, mesh(10, 1000)),
];
