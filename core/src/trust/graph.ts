import type { Did } from "../did/did-key.ts";
import { PeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import { isVerified, type Verified } from "../verified.ts";
import { edgeDigest } from "./edge-digest.ts";
import { type EdgeEdit, EdgeGraph } from "./edge-graph.ts";

/** What the graph needs of a vouch. */
export interface VouchFields {
  /** Digest of the signed statement. */
  readonly id: Digest;
  readonly issuer: Did;
  readonly subject: Did;
  readonly scope: readonly string[];
  /** Integer, 1..100. */
  readonly confidence: number;
  /** Unix seconds. */
  readonly validFrom: number;
  /** Unix seconds. */
  readonly validUntil: number;
  /** Position in the log. */
  readonly index?: number;
}

/** A vouch whose signature and rules were checked by this process and that is in force. */
export type VouchEdge = Verified<VouchFields>;

/** What {@link TrustGraph.apply} did, for {@link FlowVector.update}. */
export interface GraphChange {
  /** The graph's version before the change. */
  readonly from: number;
  /** The graph's version after the change. */
  readonly version: number;
  readonly edits: readonly EdgeEdit[];
}

/**
 * The vouches in force of one scope, as a graph. Which vouches are in force (time, revocation, key state, the newest of
 * a pair) is decided before; the graph takes only values that a verifier marked.
 */
export class TrustGraph {
  /** The scope every vouch covers, where the builder was given one. */
  readonly scope: string | undefined;
  /** The graph as numbers. Change it through {@link apply} only. */
  readonly edges: EdgeGraph;
  readonly #dids: Did[];
  readonly #index = new Map<string, number>();
  readonly #vouches: (VouchEdge | undefined)[];
  #version = 0;
  #digest: { version: number; value: Digest } | undefined;

  /** Use {@link buildTrustGraph}. `vouches` holds at most one a pair, `dids` all their parties in ascending order. */
  constructor(dids: Did[], vouches: VouchEdge[], scope?: string) {
    this.scope = scope;
    this.#dids = dids;
    this.#vouches = vouches;
    dids.forEach((did, i) => this.#index.set(did, i));
    this.edges = new EdgeGraph(
      {
        agents: dids.length,
        issuers: Uint32Array.from(vouches, (vouch) => this.indexOf(vouch.issuer)),
        subjects: Uint32Array.from(vouches, (vouch) => this.indexOf(vouch.subject)),
        confidences: Uint8Array.from(vouches, (vouch) => vouch.confidence),
      },
      (a, b) => this.did(a) < this.did(b),
    );
  }

  /** Agents that take part in a vouch, or did. */
  get agentCount(): number {
    return this.#dids.length;
  }
  get vouchCount(): number {
    return this.edges.edges;
  }
  /** Grows with every {@link apply}. */
  get version(): number {
    return this.#version;
  }
  /** Number of an agent, or −1 if it takes part in no vouch. */
  indexOf(did: string): number {
    return this.#index.get(did) ?? -1;
  }
  /** The agent with a number. @throws {RangeError} no such agent */
  did(index: number): Did {
    const did = this.#dids[index];
    if (did === undefined) throw new RangeError(`no agent ${index}`);
    return did;
  }
  dids(): IterableIterator<Did> {
    return this.#dids.values();
  }
  /** The vouch that counts between two agents. */
  vouch(issuer: string, subject: string): VouchEdge | undefined {
    const from = this.indexOf(issuer);
    const to = this.indexOf(subject);
    const edge = from < 0 || to < 0 ? undefined : this.edges.edge(from, to);
    return edge && this.#vouches[edge.ref];
  }
  /** The vouches of one agent that count, by its number. */
  *vouchesBy(issuer: number): Generator<VouchEdge> {
    const run = this.edges.outgoing(issuer);
    for (let i = run.start; i < run.end; i++) {
      const vouch = this.#vouches[run.refs?.[i] ?? -1];
      if (vouch) yield vouch;
    }
  }
  /** All vouches that count. */
  *vouches(): Generator<VouchEdge> {
    for (const { ref } of this.edges.all()) {
      const vouch = this.#vouches[ref];
      if (vouch) yield vouch;
    }
  }

  /** Digest of the edge set: SHA-256 over the 32-byte ids of its vouches in ascending order. */
  get digest(): Digest {
    if (this.#digest?.version !== this.#version) {
      const ids = Array.from(this.vouches(), ({ id }) => id);
      this.#digest = { version: this.#version, value: edgeDigest(ids) };
    }
    return this.#digest.value;
  }

  /**
   * Takes vouches out, then others in; one taken in replaces the one between the same two agents. A vouch to take out
   * that is not the one that counts is ignored, and so is one that does not cover the scope or vouches for itself.
   * @throws {PeerageError} ERR_STATEMENT_INVALID if a vouch to add was not verified; nothing is changed then
   */
  apply({ add = [], remove = [] }: { add?: Iterable<VouchEdge>; remove?: Iterable<VouchFields> }): GraphChange {
    const added = Array.from(add, checkVouch).filter((vouch) => counts(vouch, this.scope));
    const from = this.#version;
    const edits: EdgeEdit[] = [];
    for (const { id, issuer, subject } of remove) {
      const edge = this.edges.edge(this.indexOf(issuer), this.indexOf(subject));
      if (!edge || this.#vouches[edge.ref]?.id !== id) continue;
      this.#vouches[edge.ref] = undefined;
      edits.push(this.#set({ issuer: this.indexOf(issuer), subject: this.indexOf(subject), confidence: 0 }));
    }
    for (const vouch of added) {
      const issuer = this.#appended(vouch.issuer);
      const subject = this.#appended(vouch.subject);
      const old = this.edges.edge(issuer, subject);
      if (old) this.#vouches[old.ref] = undefined;
      const ref = this.#vouches.push(vouch) - 1;
      edits.push(this.#set({ issuer, subject, confidence: vouch.confidence, ref }));
    }
    this.#version++;
    return { from, version: this.#version, edits };
  }

  /** The same vouches in fresh arrays, without overlay and without agents that no vouch names any more. */
  compacted(): TrustGraph {
    return buildTrustGraph(this.vouches(), this.scope === undefined ? {} : { scope: this.scope });
  }

  #set(edit: EdgeEdit): EdgeEdit {
    this.edges.set(edit);
    return edit;
  }

  #appended(did: Did): number {
    const known = this.#index.get(did);
    if (known !== undefined) return known;
    this.#dids.push(did);
    const index = this.edges.append();
    this.#index.set(did, index);
    return index;
  }
}

/**
 * Builds the graph of one scope. With `scope`, vouches that do not cover it are left out; without, the caller has made
 * that selection. Of several vouches of one agent for another the latest `validFrom` counts; of two different ones with
 * the same `validFrom`, neither. Vouches of an agent for itself never count.
 * @throws {PeerageError} ERR_STATEMENT_INVALID if a vouch was not verified by this process
 */
export function buildTrustGraph(vouches: Iterable<VouchEdge>, options: { scope?: string } = {}): TrustGraph {
  const newest = new Map<string, Map<string, { vouch: VouchEdge; alone: boolean }>>();
  const parties = new Set<Did>();
  for (const vouch of vouches) {
    checkVouch(vouch);
    if (!counts(vouch, options.scope)) continue;
    let given = newest.get(vouch.issuer);
    if (!given) {
      given = new Map<string, { vouch: VouchEdge; alone: boolean }>();
      newest.set(vouch.issuer, given);
    }
    const other = given.get(vouch.subject);
    if (!other || vouch.validFrom > other.vouch.validFrom) given.set(vouch.subject, { vouch, alone: true });
    else if (vouch.validFrom === other.vouch.validFrom && vouch.id !== other.vouch.id) other.alone = false;
  }
  const selected: VouchEdge[] = [];
  for (const given of newest.values()) {
    for (const { vouch, alone } of given.values()) {
      if (!alone) continue;
      selected.push(vouch);
      parties.add(vouch.issuer).add(vouch.subject);
    }
  }
  return new TrustGraph([...parties].sort(), selected, options.scope);
}

function checkVouch(vouch: VouchEdge): VouchEdge {
  const { confidence } = vouch;
  if (!isVerified(vouch)) {
    throw new PeerageError("ERR_STATEMENT_INVALID", "a vouch was not verified before it was used", {
      detail: "unverified",
    });
  }
  if (!Number.isInteger(confidence) || confidence < 1 || confidence > 100) {
    throw new PeerageError("ERR_STATEMENT_INVALID", "a confidence is an integer in 1..100", { detail: "confidence" });
  }
  return vouch;
}

function counts(vouch: VouchFields, scope: string | undefined): boolean {
  return vouch.issuer !== vouch.subject && (scope === undefined || vouch.scope.includes(scope));
}
