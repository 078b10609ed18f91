import type { Did } from "../did/did-key.ts";
import { LruMap } from "../encoding/lru.ts";
import type { Digest } from "../json/digest.ts";
import { FlowVector } from "../trust/flow.ts";
import { buildTrustGraph, type TrustGraph, type VouchEdge } from "../trust/graph.ts";
import { type Standing, standingOf } from "./standing.ts";
import type { View } from "./view.ts";
import { type PairChange, VouchLedger } from "./vouch-ledger.ts";
import type { VouchRecord } from "./vouch-status.ts";

/** Scopes that are kept up to date; of more, those asked for last. */
const MOST_SCOPES = 16;
/** Standings that are kept for a view. */
const MOST_STANDINGS = 4_096;

/** A graph and its scores, which follow one another. */
interface Followed {
  graph: TrustGraph;
  vector: FlowVector;
  /** Edits since the graph was built: they stand in its overlay. */
  edits: number;
}

/** How much work a {@link TrustFollower} did, for tests and for operators. */
export interface FollowerWork {
  /** Whole ledgers that were made: the first, and one for each view that does not follow from the one before. */
  readonly restarts: number;
  /** Graphs that were built: one for each scope, and again when the changes since outweigh it. */
  readonly builds: number;
  /** Vouches that were put into or taken out of a graph one by one. */
  readonly edits: number;
  /** Pairs of agents whose vouches were judged. */
  readonly judgedPairs: number;
}

/**
 * Scores from fixed roots that follow a network from view to view at the cost of what changed: the graph of a scope is
 * built once, and each vouch, revocation, expiry or key event touches what it reaches. Every number is, bit for bit, the one
 * that building all anew would give. It answers for the view it followed last.
 */
export class TrustFollower {
  readonly roots: readonly Did[];
  readonly #scopes = new Map<string, Followed>();
  #standings = new LruMap<string, Standing>(MOST_STANDINGS);
  #ledger: VouchLedger | undefined;
  #view: View | undefined;
  #restarts = 0;
  #builds = 0;
  #edits = 0;
  #judgedBefore = 0;

  constructor(roots: Iterable<Did>) {
    this.roots = [...new Set(roots)];
  }

  get work(): FollowerWork {
    const judgedPairs = this.#judgedBefore + (this.#ledger?.judgedPairs ?? 0);
    return { restarts: this.#restarts, builds: this.#builds, edits: this.#edits, judgedPairs };
  }

  /** The next time, Unix seconds, at which a vouch begins or ends or a key changes its state by what is known already. */
  get changesAt(): number {
    return this.#ledger?.changesAt ?? Number.NEGATIVE_INFINITY;
  }

  /** Goes on to a view: step by step if it is later on the same statements, from the beginning otherwise. */
  follow(view: View): void {
    if (view === this.#view) return;
    const { statements, time } = view;
    this.#view = view;
    this.#standings = new LruMap(MOST_STANDINGS);
    let ledger = this.#ledger;
    if (ledger?.set !== statements || time < ledger.time) {
      this.#judgedBefore += ledger?.judgedPairs ?? 0;
      this.#ledger = ledger = new VouchLedger(statements);
      this.#scopes.clear();
      this.#restarts++;
    }
    const changes = ledger.advance(time);
    for (const [scope, followed] of this.#scopes) this.#apply(scope, followed, changes);
  }

  /** The graph of a scope. It changes with the next {@link follow}: use it at once. */
  graph(scope: string): TrustGraph {
    return this.#followed(scope).graph;
  }

  /** The scores in a scope. They change with the next {@link follow}: use them at once. */
  vector(scope: string): FlowVector {
    return this.#followed(scope).vector;
  }

  /**
   * Asks of the scores in a scope as they would be with some changes, which are taken back before this returns: what
   * follows is as if it had never been asked. A vouch by somebody without trust costs a look and no more.
   */
  asking<T>(scope: string, changes: readonly PairChange[], ask: (vector: FlowVector) => T): T {
    const followed = this.#followed(scope);
    const { graph, vector } = followed;
    const { add, remove } = editsOf(scope, reaching(vector, changes));
    const edits = add.length + remove.length;
    if (edits === 0) return ask(vector);
    this.#edits += 2 * edits;
    followed.edits += 2 * edits;
    let undone = false;
    try {
      vector.update(graph.apply({ add, remove }));
      const answer = ask(vector);
      vector.update(graph.apply({ add: remove, remove: add }));
      undone = true;
      return answer;
    } finally {
      // The agents that it named stay in the graph; before they weigh, it is built anew.
      if (!undone || isHeavy(followed)) this.#scopes.delete(scope);
    }
  }

  /** The vouches that some changes bring into a scope, of those whose issuers trust reaches there. */
  reached(scope: string, changes: readonly PairChange[]): readonly Digest[] {
    return editsOf(scope, reaching(this.#followed(scope).vector, changes)).add.map(({ id }) => id);
  }

  /** What stands behind the score of an agent. */
  standing(target: Did, scope: string): Standing {
    const key = `${scope} ${target}`;
    const known = this.#standings.get(key);
    if (known) return known;
    const { vector } = this.#followed(scope);
    const standing = standingOf(this.#current(), vector, target);
    this.#standings.set(key, standing);
    return standing;
  }

  #current(): View {
    if (!this.#view) throw new TypeError("no view was followed yet");
    return this.#view;
  }

  #followed(scope: string): Followed {
    this.#current();
    const known = this.#scopes.get(scope);
    // The order of the map is that of use.
    this.#scopes.delete(scope);
    const followed = known ?? this.#build(scope);
    this.#scopes.set(scope, followed);
    if (this.#scopes.size > MOST_SCOPES) {
      for (const oldest of this.#scopes.keys()) {
        this.#scopes.delete(oldest);
        break;
      }
    }
    return followed;
  }

  #build(scope: string): Followed {
    this.#builds++;
    const covering: VouchEdge[] = [];
    for (const record of this.#ledger?.inForce() ?? []) {
      if (record.scopes.includes(scope)) covering.push(record.statement);
    }
    const graph = buildTrustGraph(covering, { scope });
    return { graph, vector: new FlowVector(graph, this.roots), edits: 0 };
  }

  #apply(scope: string, followed: Followed, changes: readonly PairChange[]): void {
    const { add, remove } = editsOf(scope, changes);
    const edits = add.length + remove.length;
    if (edits === 0) return;
    if (isHeavy(followed, edits)) {
      Object.assign(followed, this.#build(scope));
      return;
    }
    this.#edits += edits;
    followed.edits += edits;
    followed.vector.update(followed.graph.apply({ add, remove }));
  }
}

function covering(records: readonly VouchRecord[], scope: string): VouchEdge | undefined {
  return records.find(({ scopes }) => scopes.includes(scope))?.statement;
}

/** An overlay as large as a good part of the graph costs more than it saves. */
function isHeavy({ edits, graph }: Followed, more = 0): boolean {
  return edits + more > 1_024 + (graph.vouchCount >> 3);
}

function editsOf(scope: string, changes: readonly PairChange[]): { add: VouchEdge[]; remove: VouchEdge[] } {
  const add: VouchEdge[] = [];
  const remove: VouchEdge[] = [];
  for (const { before, after } of changes) {
    const old = covering(before, scope);
    const now = covering(after, scope);
    if (old?.id === now?.id) continue;
    if (old) remove.push(old);
    if (now) add.push(now);
  }
  return { add, remove };
}

/** The changes by issuers that trust reaches, if need be through one another; the rest moves nothing. */
function reaching(vector: FlowVector, changes: readonly PairChange[]): PairChange[] {
  const reached = new Set<Did>();
  const found = new Set<PairChange>();
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const change of changes) {
      const { issuer, subject } = (change.after[0] ?? change.before[0])?.statement ?? {};
      if (found.has(change) || issuer === undefined || subject === undefined) continue;
      if (!reached.has(issuer) && vector.score(issuer) === "unknown") continue;
      found.add(change);
      reached.add(subject);
    }
  }
  return changes.filter((change) => found.has(change));
}
