import {
  buildTrustGraph,
  type Did,
  type Digest,
  type Explanation,
  explainTrust,
  FlowVector,
  LruMap,
  type NotCounted,
  type Score,
  type TrustGraph,
  type View,
  type VouchRecord,
} from "@peerage/core";

/** The scope where a page is not asked for another. */
export const DEFAULT_SCOPE = "tools";

/** Score vectors kept for one view: one for the usual viewpoint, the others for visitors who ask `as` somebody. */
const MOST_VECTORS = 16;
const vectors = new WeakMap<View, LruMap<string, FlowVector>>();

/** From whom a page starts. */
export interface Viewpoint {
  readonly kind: "published" | "agent" | "none";
  readonly roots: readonly Did[];
}

/** A log size in the past. */
export interface Past {
  /** Size of the checkpoint. */
  readonly size: number;
  /** Its time, Unix seconds: what was witnessed later does not count. */
  readonly time: number;
}

/** The network of one view, as seen from one viewpoint in one scope. Scores come from core, from nowhere else. */
export class Seen {
  readonly view: View;
  readonly viewpoint: Viewpoint;
  readonly scope: string;
  /** Set if this is how things were, not how they are. */
  readonly past: Past | undefined;

  constructor(view: View, viewpoint: Viewpoint, scope: string, past?: Past) {
    this.view = view;
    this.viewpoint = viewpoint;
    this.scope = scope;
    this.past = past;
  }

  /** Entries of the log that count here. */
  get size(): number {
    return this.past?.size ?? this.view.size;
  }

  /** The same in another scope. */
  in(scope: string): Seen {
    return new Seen(this.view, this.viewpoint, scope, this.past);
  }

  /** The graph of the scope. A scope that nobody uses has an empty one, which is not kept: anyone may ask for any name. */
  get graph(): TrustGraph {
    return this.view.scopes().has(this.scope)
      ? this.view.graph(this.scope)
      : buildTrustGraph([], { scope: this.scope });
  }

  /** All scores from here. */
  get vector(): FlowVector {
    const { view, scope } = this;
    if (!view.scopes().has(scope)) return new FlowVector(this.graph, this.viewpoint.roots);
    let kept = vectors.get(view);
    if (!kept) {
      kept = new LruMap<string, FlowVector>(MOST_VECTORS);
      vectors.set(view, kept);
    }
    const key = `${scope} ${this.viewpoint.roots.join(" ")}`;
    let vector = kept.get(key);
    if (!vector) {
      vector = new FlowVector(this.graph, this.viewpoint.roots);
      kept.set(key, vector);
    }
    return vector;
  }

  score(did: string): Score {
    return this.vector.score(did);
  }

  /** All scores from here, worked out again without some vouches. */
  without(vouches: ReadonlySet<Digest>): FlowVector {
    const rest = [...this.graph.vouches()].filter(({ id }) => !vouches.has(id));
    return new FlowVector(buildTrustGraph(rest, { scope: this.scope }), this.viewpoint.roots);
  }

  /** Why an agent has its score, with the vouches for it that do not count. */
  explain(target: Did, threshold?: number): Explanation {
    const { vector } = this;
    return explainTrust(vector.graph, {
      roots: this.viewpoint.roots,
      target,
      vector,
      logSize: this.size,
      notCounted: notCounted(this.view.agent(target)?.received ?? [], this.scope),
      ...(threshold === undefined ? {} : { threshold }),
    });
  }
}

/** What became of a vouch, in words. */
export function statusText({ status }: VouchRecord): string {
  return statusWords[status];
}

const statusWords: Readonly<Record<VouchRecord["status"], string>> = {
  "in-force": "in force",
  "not-yet-valid": "not yet valid",
  expired: "expired",
  revoked: "revoked by its issuer",
  "wrong-key": "signed by a key that was not its issuer's then",
  compromised: "its issuer's key was stolen by then",
  quarantined: "its subject's key was stolen by then: it waits for a new one",
  "issuer-inactive": "its issuer's key is not active",
  "subject-inactive": "its subject's key is not active",
  superseded: "replaced by a newer vouch",
  conflicting: "contradicted by another of the same time",
};

function notCounted(received: readonly VouchRecord[], scope: string): NotCounted[] {
  const reasons = received.map((vouch): [VouchRecord, string | undefined] => {
    if (vouch.scopes.includes(scope)) return [vouch, undefined];
    if (!vouch.statement.scope.includes(scope)) return [vouch, `for other scopes: ${vouch.statement.scope.join(", ")}`];
    return [vouch, vouch.status === "in-force" ? "replaced by a newer vouch in this scope" : statusText(vouch)];
  });
  return reasons.flatMap(([vouch, reason]) => (reason === undefined ? [] : [{ vouch: vouch.statement, reason }]));
}

const received = new WeakMap<TrustGraph, ReadonlyMap<Did, number>>();

/** How many vouches of a view's graph each agent received: those who received some, counted once. */
export function receivedIn(graph: TrustGraph): ReadonlyMap<Did, number> {
  let known = received.get(graph);
  if (!known) {
    const counts = new Map<Did, number>();
    for (const { subject } of graph.vouches()) counts.set(subject, (counts.get(subject) ?? 0) + 1);
    known = counts;
    received.set(graph, known);
  }
  return known;
}

/** The first few of many: those with a score from here, in order, and others only where these are too few. */
export function firstScored<T extends { readonly score: Score }>(
  all: readonly T[],
  most: number,
  order: (a: T, b: T) => number,
): T[] {
  const scored = all.filter(({ score }) => score !== "unknown");
  const others = scored.length < most ? all.filter(({ score }) => score === "unknown") : [];
  return [...scored.sort(order), ...others.sort(order)].slice(0, most);
}

/** An agent in lists: what one pass over the vouches in force tells. */
export interface AgentRow {
  readonly did: Did;
  readonly received: number;
  readonly given: number;
  /** Scopes of the vouches in force that it received, most first. */
  readonly scopes: readonly string[];
}

const rows = new WeakMap<View, readonly AgentRow[]>();

/** All agents in order of first appearance, counted once for a view; of the past, those that had appeared by then. */
export function agentRows(view: View, past?: Past): readonly AgentRow[] {
  let known = rows.get(view);
  if (!known) {
    known = countAgents(view);
    if (past) known = known.filter(({ did }) => (view.statements.agent(did)?.first.time ?? Infinity) <= past.time);
    rows.set(view, known);
  }
  return known;
}

function countAgents(view: View): readonly AgentRow[] {
  const counts = new Map<Did, { received: number; given: number; scopes: Map<string, number> }>();
  for (const did of view.agents()) counts.set(did, { received: 0, given: 0, scopes: new Map() });
  for (const { statement, scopes } of view.vouchesInForce()) {
    const issuer = counts.get(statement.issuer);
    const subject = counts.get(statement.subject);
    if (issuer) issuer.given++;
    if (!subject) continue;
    subject.received++;
    for (const scope of scopes) subject.scopes.set(scope, (subject.scopes.get(scope) ?? 0) + 1);
  }
  return Array.from(counts, ([did, { received, given, scopes }]) => ({
    did,
    received,
    given,
    scopes: [...scopes].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([scope]) => scope),
  }));
}
