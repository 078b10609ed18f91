import fc from "./_properties.ts";
import { EdgeGraph, type EdgeEdit } from "../core/src/trust/edge-graph.ts";
import type { VouchEdge } from "../core/src/trust/graph.ts";
import { sha256Hex } from "../core/src/encoding/sha256.ts";
import { markVerified } from "../core/src/verified.ts";
import type { Did } from "../core/src/did/did-key.ts";

/** A network as plain numbers: at most one edge a pair, none from an agent to itself. */
export interface Net {
  agents: number;
  edges: EdgeEdit[];
  roots: number[];
}

/**
 * Networks small enough to be dense, deep or both; confidences lean to the ends, where rounding and caps are. With
 * `hub`, agent 1 vouches for nearly everybody, so that it is diluted where there are more than thirty, and a root vouches for it.
 */
export function nets({ agents = 14, edges = 60, roots = 3, hub = false } = {}): fc.Arbitrary<Net> {
  return fc.integer({ min: hub ? agents >> 1 : 2, max: agents }).chain((n) => {
    const agent = fc.nat(n - 1);
    const edge = fc.record({ issuer: agent, subject: agent, confidence: confidences });
    const selector = (e: EdgeEdit): number => e.issuer * n + e.subject;
    return fc
      .record({
        // fast-check keeps arrays short unless told otherwise; a third of the networks are dense, a third deep.
        edges: fc.oneof(
          fc.uniqueArray(edge, { maxLength: edges, selector }),
          fc.uniqueArray(edge, { maxLength: edges, selector, size: "max" }),
          fc
            .uniqueArray(fc.record({ issuer: agent, skip: fc.integer({ min: -1, max: 2 }), confidence: confidences }), {
              maxLength: edges,
              selector: (e) => e.issuer * 8 + e.skip,
              size: "max",
            })
            .map((list) =>
              list.map(({ issuer, skip, confidence }) => ({ issuer, subject: (issuer + skip + n) % n, confidence })),
            ),
        ),
        roots: fc.uniqueArray(agent, { minLength: 1, maxLength: Math.min(roots, n) }),
      })
      .map((net) => {
        const found = new Map(net.edges.filter((e) => e.issuer !== e.subject).map((e) => [selector(e), e]));
        for (let subject = 2; hub && subject < n; subject++) {
          const edge = { issuer: 1, subject, confidence: 100 };
          if (!found.has(selector(edge))) found.set(selector(edge), edge);
        }
        const word = { issuer: net.roots[0]!, subject: 1, confidence: 100 };
        if (hub && word.issuer !== 1) found.set(selector(word), word);
        return { agents: n, edges: [...found.values()], roots: net.roots };
      });
  });
}

/** Confidences 1..100. */
export const confidences: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(1, 30, 90, 100),
  fc.integer({ min: 1, max: 100 }),
);

export function graphOf(net: Pick<Net, "agents" | "edges">): EdgeGraph {
  return new EdgeGraph({
    agents: net.agents,
    issuers: Uint32Array.from(net.edges, (e) => e.issuer),
    subjects: Uint32Array.from(net.edges, (e) => e.subject),
    confidences: Uint8Array.from(net.edges, (e) => e.confidence),
  });
}

/** The definition of docs/trust.md written down as plainly as possible; shares nothing with core. */
export function plainEvidence({ agents, edges, roots }: Net): { evidence: number[]; power: number[]; given: number[] } {
  const sorted = [...edges].sort((a, b) => a.issuer - b.issuer || a.subject - b.subject);
  const total = new Array<number>(agents).fill(0);
  for (const e of sorted) total[e.issuer]! += e.confidence / 100;
  const isRoot = (agent: number): boolean => roots.includes(agent);
  let power: number[] = total.map((_, agent) => (isRoot(agent) ? 1 : 0));
  let evidence = new Array<number>(agents).fill(0);
  let given = new Array<number>(agents).fill(0);
  for (let k = 1; k <= 6; k++) {
    evidence = new Array<number>(agents).fill(0);
    given = new Array<number>(agents).fill(0);
    const largest = new Array<number>(agents).fill(0);
    for (const { issuer, subject, confidence } of sorted) {
      if (isRoot(subject)) continue;
      const w = confidence / 100;
      const c = isRoot(issuer) ? w : 0.7 * Math.min(1, power[issuer]!) * Math.min(1, 30 / total[issuer]!) * w;
      evidence[subject]! += c;
      given[issuer]! += c;
      if (!isRoot(issuer)) largest[subject] = Math.max(largest[subject]!, c);
    }
    power = power.map((_, agent) => (isRoot(agent) ? 1 : evidence[agent]! - largest[agent]!));
  }
  return { evidence, power, given };
}

/** Hops of the shortest chain from any root; Infinity if there is none. */
export function hopsFromRoots({ agents, edges, roots }: Net): number[] {
  const hops = new Array<number>(agents).fill(Infinity);
  for (const root of roots) hops[root] = 0;
  for (let k = 1; k <= agents; k++) {
    for (const { issuer, subject } of edges) hops[subject] = Math.min(hops[subject]!, hops[issuer]! + 1);
  }
  return hops;
}

/** A made-up DID whose order is that of its number. */
export function didOf(agent: number): Did {
  return `did:key:z6Mk${String(agent)
    .padStart(44, "0")
    .replaceAll(/\d/g, (digit) => "ABCDEFGHJK"[Number(digit)]!)}`;
}

/** The number in {@link didOf}. */
export function agentOf(did: string): number {
  return Number(did.slice(12).replaceAll(/./g, (letter) => String("ABCDEFGHJK".indexOf(letter))));
}

/** A vouch as the network module hands it over: verified and in force. */
export function vouchOf(
  issuer: number,
  subject: number,
  confidence: number,
  extra: { scope?: string[]; validFrom?: number; nonce?: number } = {},
): VouchEdge {
  const { scope = ["tools"], validFrom = 1_795_000_000, nonce = 0 } = extra;
  const text = JSON.stringify([issuer, subject, confidence, scope, validFrom, nonce]);
  return markVerified({
    id: `sha256:${sha256Hex(text)}` as const,
    issuer: didOf(issuer),
    subject: didOf(subject),
    scope,
    confidence,
    validFrom,
    validUntil: validFrom + 90 * 86_400,
  });
}

export function vouchesOf(net: Net): VouchEdge[] {
  return net.edges.map((e) => vouchOf(e.issuer, e.subject, e.confidence));
}
