import type { EdgeEdit, EdgeGraph } from "../../core/src/trust/edge-graph.ts";

/** A change of a network: half new vouches between random agents, half revocations of what is there. */
export function randomEdit(graph: EdgeGraph, random: () => number): EdgeEdit {
  for (;;) {
    const issuer = Math.floor(random() * graph.agents);
    const run = graph.outgoing(issuer);
    if (random() < 0.5 && run.end > run.start) {
      const at = run.start + Math.floor(random() * (run.end - run.start));
      return { issuer, subject: run.peers[at]!, confidence: 0 };
    }
    const subject = Math.floor(random() * graph.agents);
    if (subject !== issuer) return { issuer, subject, confidence: 80 };
  }
}
