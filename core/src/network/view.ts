import type { Did, MultibaseKey } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { AgentProfile, KeyEvent, Report, Revocation, Vouch } from "../statement/types.ts";
import { buildTrustGraph, type TrustGraph } from "../trust/graph.ts";
import { keyChangeAfter, type KeyState } from "./key-state.ts";
import { byTime, compare, type Logged, StatementSet } from "./statement-set.ts";
import { historyOf, judgeVouches, revocationOf, type VouchRecord } from "./vouch-status.ts";

/** Where and when a view was taken. */
export interface ViewHead {
  readonly origin: string;
  /** Entries of the log under it. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** The time asked about, Unix seconds: by default that of the checkpoint. */
  readonly time: number;
  /** By the follower's own policy, never by what a server says. */
  readonly witnessed: boolean;
  /** The signed note. */
  readonly note: string;
}

/** All that a view knows about one agent. */
export interface AgentRecord {
  readonly did: Did;
  /** Its first appearance in the log. */
  readonly first: { readonly index: number; readonly time: number };
  readonly key: KeyState;
  /** The latest profile, if it published one. */
  readonly profile?: Logged<AgentProfile>;
  readonly given: readonly VouchRecord[];
  readonly received: readonly VouchRecord[];
  /** Reports about it that stand: to be shown beside its vouches, and never a part of any score. */
  readonly reports: readonly ReportRecord[];
}

/** A report whose issuer's key was its own, once for each of its evidence. */
export interface ReportRecord extends Logged<Report> {
  /** Set if its issuer took it back. */
  readonly withdrawnBy?: Logged<Revocation>;
}

/** What an agent said about its own key: a key event, or that it burnt itself. */
export interface KeyStatement extends Logged<KeyEvent | Revocation> {
  /** It is one of those that make the key's state now; `superseded` ones extend the chain too, but others prevailed. */
  readonly standing: "counts" | "superseded" | "void";
}

/**
 * What the statements of a log mean at one size and one time: the same for everyone who asks. Made by `Network`; it does
 * not change, but for caches.
 */
export class View implements ViewHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number;
  readonly witnessed: boolean;
  readonly note: string;
  readonly #set: StatementSet;
  readonly #graphs = new Map<string, TrustGraph>();
  #scopes: ReadonlyMap<string, number> | undefined;
  #inForce: { readonly vouches: readonly VouchRecord[]; readonly changesAt: number } | undefined;

  constructor(set: StatementSet, head: ViewHead) {
    this.#set = set;
    this.origin = head.origin;
    this.size = head.size;
    this.root = head.root;
    this.time = head.time;
    this.witnessed = head.witnessed;
    this.note = head.note;
  }

  /** The same log at another time, for a guard whose clock has moved on while the registry was silent. */
  at(time: number): View {
    const { origin, size, root, witnessed, note } = this;
    return new View(this.#set, { origin, size, root, witnessed, note, time });
  }

  /** The same log as it was under an older checkpoint. Costs a pass over all statements. */
  upTo(head: ViewHead): View {
    const older = new StatementSet();
    for (const logged of this.#set.members()) if (logged.index < head.size) older.add(logged);
    return new View(older, head);
  }

  /** The statements under it, which grow with their log; a {@link VouchLedger} follows them from view to view. */
  get statements(): StatementSet {
    return this.#set;
  }

  get agentCount(): number {
    return this.#set.agentCount;
  }

  /** Every DID that the log names, in order of first appearance. */
  *agents(): Generator<Did> {
    const all = [...this.#set.agents()];
    // They stand so already unless several logs were merged, and then sorting what is sorted costs little.
    all.sort(
      ({ first: a, did }, { first: b, did: other }) =>
        a.time - b.time || a.index - b.index || a.part - b.part || compare(did, other),
    );
    for (const { did } of all) yield did;
  }

  agent(did: Did): AgentRecord | undefined {
    const agent = this.#set.agent(did);
    if (!agent) return undefined;
    const profile = this.profileOf(did);
    return {
      did,
      first: { index: agent.first.index, time: agent.first.time },
      key: this.keyState(did),
      ...(profile ? { profile } : {}),
      given: this.vouchesBy(did),
      received: judgeVouches(this.#set, agent.received, "issuer", this.time),
      reports: this.#judgeReports(agent.reports),
    };
  }

  /** The profile that counts of an agent. Nothing else of it is judged: pages ask this of everybody whom they name. */
  profileOf(did: Did): Logged<AgentProfile> | undefined {
    const profiles = this.#set.agent(did)?.profiles ?? [];
    if (profiles.length === 0) return undefined;
    const history = historyOf(this.#set, did, this.time);
    return profiles.filter((one) => history.signed(one) && !history.voids(one.time)).toSorted(newestProfile)[0];
  }

  /** What became of the vouches that an agent gave. Nothing that it received is judged. */
  vouchesBy(issuer: Did): readonly VouchRecord[] {
    return judgeVouches(this.#set, this.#set.agent(issuer)?.given ?? [], "subject", this.time);
  }

  /** What became of the vouches for an agent by issuers that are asked for: the others are not even judged. */
  vouchesFor(subject: Did, issuers: (did: Did) => boolean): readonly VouchRecord[] {
    const received = this.#set.agent(subject)?.received ?? [];
    return judgeVouches(
      this.#set,
      received.filter(({ statement }) => issuers(statement.issuer)),
      "issuer",
      this.time,
    );
  }

  /** The reports about an agent that stand, of those by issuers that are asked for: the others are not even judged. */
  reportsBy(issuers: (did: Did) => boolean, about: Did): readonly ReportRecord[] {
    const reports = this.#set.agent(about)?.reports ?? [];
    return this.#judgeReports(reports.filter(({ statement }) => issuers(statement.issuer)));
  }

  keyState(did: Did): KeyState {
    return historyOf(this.#set, did, this.time).state;
  }

  /**
   * Every key that has stood behind a DID, to verify signatures of any time with; whether the one that signed may still
   * speak is then for `checkSigningKey`.
   */
  keysOf(did: Did): readonly MultibaseKey[] {
    return historyOf(this.#set, did, this.time).keys();
  }

  /** True if a key stood behind a DID at a time, as far as this view's statements tell. */
  keyStoodAt(did: Did, key: MultibaseKey, time: number): boolean {
    return historyOf(this.#set, did, this.time).stoodAt(key, time);
  }

  /**
   * From when on what a key signed for a DID cannot be told from what a thief signs, Unix seconds; undefined of a key that
   * was never lost.
   */
  keyLostSince(did: Did, key: MultibaseKey): number | undefined {
    return historyOf(this.#set, did, this.time).lostSince(key);
  }

  /** Every key event and burn of a DID by this view's time, in order of time, those that count for nothing too. */
  keyStatements(did: Did): KeyStatement[] {
    const agent = this.#set.agent(did);
    if (!agent) return [];
    const history = historyOf(this.#set, did, this.time);
    const standing = ({ statement }: Logged<KeyEvent | Revocation>): KeyStatement["standing"] => {
      if (statement.kind === "KeyEvent" && history.includes(statement.id)) return "counts";
      if (statement.kind === "KeyEvent") return history.extends(statement.id) ? "superseded" : "void";
      return history.state.status === "burnt" ? "counts" : "superseded";
    };
    return [...agent.keyEvents, ...agent.burns]
      .filter(({ time }) => time <= this.time)
      .sort(byTime)
      .map((logged) => ({ ...logged, standing: standing(logged) }));
  }

  /** A statement; of one document under several signatures, the one whose key was its issuer's. */
  statement(id: Digest): Logged | undefined {
    const all = this.#set.byId(id).toSorted(byTime);
    return all.find((one) => historyOf(this.#set, one.statement.issuer, this.time).signed(one)) ?? all[0];
  }

  /** One vouch with what became of it. */
  vouch(id: Digest): VouchRecord | undefined {
    const logged = this.statement(id);
    if (logged?.statement.kind !== "Vouch") return undefined;
    const { issuer, subject } = logged.statement;
    const given = this.#set.agent(issuer)?.given.filter((vouch) => vouch.statement.subject === subject) ?? [];
    return judgeVouches(this.#set, given, "subject", this.time).find((vouch) => vouch.statement.id === id);
  }

  /** The scopes in which vouches are in force, with their numbers, most used first. */
  scopes(): ReadonlyMap<string, number> {
    // Pages ask for it again and again, and it takes a pass over all vouches.
    return (this.#scopes ??= this.#countScopes());
  }

  /** The vouches in force at this view's time, in log order. */
  vouchesInForce(): readonly VouchRecord[] {
    return this.#judged().vouches;
  }

  /** The trust graph of one scope: built once, then kept, unless it is empty: anyone may ask for any name. */
  graph(scope: string): TrustGraph {
    let graph = this.#graphs.get(scope);
    if (!graph) {
      const covering: Logged<Vouch>["statement"][] = [];
      for (const { statement, scopes } of this.#judged().vouches) if (scopes.includes(scope)) covering.push(statement);
      graph = buildTrustGraph(covering, { scope });
      if (graph.vouchCount > 0) this.#graphs.set(scope, graph);
    }
    return graph;
  }

  /** The next time, Unix seconds, at which a vouch begins or ends: until then every answer stays the same. */
  get changesAt(): number {
    return this.#judged().changesAt;
  }

  /** One for each issuer and evidence, the earliest; what was void or came from a foreign key is not among them. */
  #judgeReports(reports: readonly Logged<Report>[]): ReportRecord[] {
    const seen = new Set<string>();
    const records: ReportRecord[] = [];
    for (const report of reports.toSorted(byTime)) {
      const { issuer, evidence } = report.statement;
      const history = historyOf(this.#set, issuer, this.time);
      if (report.time > this.time || !history.signed(report) || history.voids(report.time)) continue;
      if (history.state.status !== "active") continue;
      const fresh = evidence.filter((digest) => !seen.has(`${issuer} ${digest}`));
      if (fresh.length === 0) continue;
      const withdrawnBy = revocationOf(this.#set, report.statement, this.time);
      if (!withdrawnBy) for (const digest of fresh) seen.add(`${issuer} ${digest}`);
      records.push({ ...report, ...(withdrawnBy ? { withdrawnBy } : {}) });
    }
    return records;
  }

  #countScopes(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { scopes } of this.#judged().vouches) {
      for (const scope of scopes) counts.set(scope, (counts.get(scope) ?? 0) + 1);
    }
    return new Map([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
  }

  #judged(): { readonly vouches: readonly VouchRecord[]; readonly changesAt: number } {
    if (!this.#inForce) {
      const vouches: VouchRecord[] = [];
      let changesAt = Number.POSITIVE_INFINITY;
      for (const agent of this.#set.agents()) {
        if (agent.given.length === 0) continue;
        for (const record of judgeVouches(this.#set, agent.given, "subject", this.time)) {
          const { validFrom, validUntil } = record.statement;
          if (validFrom > this.time) changesAt = Math.min(changesAt, validFrom);
          else if (validUntil > this.time) changesAt = Math.min(changesAt, validUntil);
          if (record.status === "in-force") vouches.push(record);
        }
      }
      for (const did of this.#set.withKeyStatements) {
        const agent = this.#set.agent(did);
        if (agent) changesAt = Math.min(changesAt, keyChangeAfter(agent, this.time));
      }
      vouches.sort(byTime);
      this.#inForce = { vouches, changesAt };
    }
    return this.#inForce;
  }
}

function newestProfile(a: Logged<AgentProfile>, b: Logged<AgentProfile>): number {
  return b.statement.issuedAt - a.statement.issuedAt || (a.statement.id < b.statement.id ? -1 : 1);
}
