import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { AgentProfile, KeyEvent, Report, Revocation, Statement, Vouch } from "../statement/types.ts";
import type { Verified } from "../verified.ts";

/** A verified statement with its place in the log and its witnessed time. */
export interface Logged<T extends Statement = Statement> {
  readonly statement: Verified<T>;
  /** Log index; of several logs, that of the one with the earliest time. */
  readonly index: number;
  /** Time of the first published checkpoint that covers it, Unix seconds; the earliest over all logs. */
  readonly time: number;
}

/**
 * What the set holds about one DID. Signatures hold, by keys that claim to be the issuer's: whether they were is asked of
 * the key history, at every use.
 */
export interface AgentStatements {
  readonly did: Did;
  /** Its first appearance: as an issuer (`part` 0) or as a subject (1). */
  readonly first: { readonly index: number; readonly time: number; readonly part: 0 | 1 };
  readonly given: Logged<Vouch>[];
  readonly received: Logged<Vouch>[];
  readonly profiles: Logged<AgentProfile>[];
  readonly keyEvents: Logged<KeyEvent>[];
  /** Its own revocations of all vouches for a subject. */
  readonly subjectRevocations: Map<Did, Logged<Revocation>[]>;
  /** Its revocations of itself. */
  readonly burns: Logged<Revocation>[];
  /** Reports about it, by others. */
  readonly reports: Logged<Report>[];
  /** Raised whenever a key event or a burn of it is added or gets an earlier time. */
  readonly keyRevision: number;
}

// Most agents have none of most kinds: they share these, which are never changed.
const NONE: never[] = [];
const NO_REVOCATIONS = new Map<Did, Logged<Revocation>[]>();

type MutableAgent = { -readonly [K in keyof AgentStatements]: AgentStatements[K] };

/**
 * A grow-only set of verified statements: union is commutative, associative and idempotent, and so is every question
 * asked of it. Nothing is interpreted here; `View` answers for a point in time.
 *
 * A document signed by two keys is two members: were it one, a copy by a foreign key could stand in the way of the
 * genuine statement, or lend it an earlier time.
 */
export class StatementSet {
  readonly #members: Logged[] = [];
  readonly #byId = new Map<Digest, Logged[]>();
  readonly #agents = new Map<Did, MutableAgent>();
  readonly #revocations = new Map<Digest, Logged<Revocation>[]>();
  readonly #withKeyStatements = new Set<Did>();
  readonly #arrivals: Logged[] = [];
  /** Which of the arrivals were known. */
  readonly #again = new Set<number>();

  get size(): number {
    return this.#members.length;
  }

  /** Adds a statement; of the same one from several logs, the earlier witnessed time stays. */
  add({ statement, index, time }: Logged): void {
    const known = this.byId(statement.id).find((other) => sameKeys(other.statement.keys, statement.keys));
    if (known && !isEarlier({ index, time }, known)) return;
    const logged: Logged = known ? Object.assign(known, { index, time }) : { statement, index, time };
    const issuer = this.#agent(statement.issuer, { index, time, part: 0 });
    const subject = subjectOf(statement);
    const about = subject === undefined ? undefined : this.#agent(subject, { index, time, part: 1 });
    if (statement.kind === "KeyEvent" || isBurn(statement)) {
      issuer.keyRevision++;
      this.#withKeyStatements.add(issuer.did);
    }
    if (known) this.#again.add(this.#arrivals.length);
    this.#arrivals.push(logged);
    if (known) return;
    this.#members.push(logged);
    append(this.#byId, statement.id, logged);
    switch (statement.kind) {
      case "Vouch":
        issuer.given = withOne(issuer.given, logged as Logged<Vouch>);
        if (about) about.received = withOne(about.received, logged as Logged<Vouch>);
        break;
      case "Revocation":
        this.#addRevocation(issuer, logged as Logged<Revocation>);
        break;
      case "AgentProfile":
        issuer.profiles = withOne(issuer.profiles, logged as Logged<AgentProfile>);
        break;
      case "KeyEvent":
        issuer.keyEvents = withOne(issuer.keyEvents, logged as Logged<KeyEvent>);
        break;
      case "Report":
        if (about) about.reports = withOne(about.reports, logged as Logged<Report>);
    }
  }

  /** Adds everything that another set holds. */
  union(other: StatementSet): void {
    for (const logged of other.#members) this.add(logged);
  }

  /** Every member, in order of arrival. */
  members(): IterableIterator<Logged> {
    return this.#members.values();
  }

  /** Members in order of arrival; one comes `again` each time that its witnessed time became an earlier one. */
  *arrivals(from: number): Generator<{ readonly logged: Logged; readonly again: boolean }> {
    for (let i = from; i < this.#arrivals.length; i++) {
      const logged = this.#arrivals[i];
      if (logged) yield { logged, again: this.#again.has(i) };
    }
  }
  get arrivalCount(): number {
    return this.#arrivals.length;
  }

  /** The members with this id: one, unless the same document was signed by several keys. */
  byId(id: Digest): readonly Logged[] {
    return this.#byId.get(id) ?? [];
  }

  agent(did: Did): AgentStatements | undefined {
    return this.#agents.get(did);
  }

  agents(): IterableIterator<AgentStatements> {
    return this.#agents.values();
  }

  get agentCount(): number {
    return this.#agents.size;
  }

  /** The agents that published key events or burnt themselves: for everyone else the DID's own key stands. */
  get withKeyStatements(): ReadonlySet<Did> {
    return this.#withKeyStatements;
  }

  /** Revocations that name a statement, whoever signed them; only its issuer's count. */
  revocationsOf(id: Digest): readonly Logged<Revocation>[] {
    return this.#revocations.get(id) ?? [];
  }

  #addRevocation(issuer: MutableAgent, logged: Logged<Revocation>): void {
    const { revokes, target } = logged.statement;
    if (revokes === "statement") append(this.#revocations, target as Digest, logged);
    else if (revokes === "subject") {
      if (issuer.subjectRevocations === NO_REVOCATIONS) issuer.subjectRevocations = new Map();
      append(issuer.subjectRevocations, target as Did, logged);
    } else issuer.burns = withOne(issuer.burns, logged);
  }

  #agent(did: Did, first: AgentStatements["first"]): MutableAgent {
    let agent = this.#agents.get(did);
    if (!agent) {
      agent = {
        did,
        first,
        given: NONE,
        received: NONE,
        profiles: NONE,
        keyEvents: NONE,
        subjectRevocations: NO_REVOCATIONS,
        burns: NONE,
        reports: NONE,
        keyRevision: 0,
      };
      this.#agents.set(did, agent);
    } else if (isEarlier(first, agent.first)) {
      agent.first = first;
    }
    return agent;
  }
}

/** The order in which members stand: by witnessed time, place in the log, id, keys. It is the same for every arrival. */
export function byTime(a: Logged, b: Logged): number {
  return (
    a.time - b.time ||
    a.index - b.index ||
    compare(a.statement.id, b.statement.id) ||
    compare(a.statement.keys.toSorted().join(" "), b.statement.keys.toSorted().join(" "))
  );
}

/** Compares two strings by code unit. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Place {
  readonly index: number;
  readonly time: number;
  readonly part?: 0 | 1;
}

function isEarlier(a: Place, b: Place): boolean {
  return (a.time - b.time || a.index - b.index || (a.part ?? 0) - (b.part ?? 0)) < 0;
}

function isBurn(statement: Statement): boolean {
  return statement.kind === "Revocation" && statement.revokes === "self";
}

function subjectOf(statement: Statement): Did | undefined {
  return statement.kind === "Vouch" || statement.kind === "Report" ? statement.subject : undefined;
}

/** Adds to a list of its own, or begins one. */
function withOne<T>(list: T[], one: T): T[] {
  if (list === (NONE as T[])) return [one];
  list.push(one);
  return list;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  if (a.length === 1) return a[0] === b[0];
  return a.toSorted().join(" ") === b.toSorted().join(" ");
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
