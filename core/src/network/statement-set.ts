import { type Did, type MultibaseKey, multibaseOf } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { AgentProfile, KeyEvent, Revocation, Statement, Vouch } from "../statement/types.ts";
import type { Verified } from "../verified.ts";

/** A verified statement with its place in the log and its witnessed time. */
export interface Logged<T extends Statement = Statement> {
  readonly statement: Verified<T>;
  /** Log index. */
  readonly index: number;
  /** Time of the first published checkpoint that covers it, Unix seconds. */
  readonly time: number;
}

/** What the log holds about one DID, in log order. */
export interface AgentStatements {
  readonly did: Did;
  readonly first: { readonly index: number; readonly time: number };
  readonly given: Logged<Vouch>[];
  readonly received: Logged<Vouch>[];
  readonly profiles: Logged<AgentProfile>[];
  readonly keyEvents: Logged<KeyEvent>[];
  /** Its own revocations of all vouches for a subject. */
  readonly subjectRevocations: Map<Did, Logged<Revocation>[]>;
  /** Its revocation of itself, the earliest. */
  burn?: Logged<Revocation>;
}

/**
 * A grow-only set of verified statements: union is commutative, associative and idempotent, and so is every question
 * asked of it. Nothing is interpreted here; `View` answers for a point in time.
 */
export class StatementSet {
  readonly #byId = new Map<Digest, Logged>();
  readonly #agents = new Map<Did, AgentStatements>();
  readonly #revocations = new Map<Digest, Logged<Revocation>[]>();

  get size(): number {
    return this.#byId.size;
  }

  /** Adds a statement; of the same id, from several logs, the earlier witnessed time stays. */
  add({ statement, index, time }: Logged): void {
    const known = this.#byId.get(statement.id);
    if (known) {
      if (time < known.time) Object.assign(known, { index, time });
      return;
    }
    const logged: Logged = { statement, index, time };
    this.#byId.set(statement.id, logged);
    const issuer = this.#agent(statement.issuer, index, time);
    switch (statement.kind) {
      case "Vouch": {
        const vouch = logged as Logged<Vouch>;
        issuer.given.push(vouch);
        this.#agent(statement.subject, index, time).received.push(vouch);
        break;
      }
      case "Revocation":
        this.#addRevocation(issuer, logged as Logged<Revocation>);
        break;
      case "AgentProfile":
        issuer.profiles.push(logged as Logged<AgentProfile>);
        break;
      case "KeyEvent":
        issuer.keyEvents.push(logged as Logged<KeyEvent>);
        break;
      case "Report":
        this.#agent(statement.subject, index, time);
    }
  }

  byId(id: Digest): Logged | undefined {
    return this.#byId.get(id);
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

  /** Revocations that name a statement, whoever signed them; only its issuer's count. */
  revocationsOf(id: Digest): readonly Logged<Revocation>[] {
    return this.#revocations.get(id) ?? [];
  }

  #addRevocation(issuer: AgentStatements, logged: Logged<Revocation>): void {
    const { revokes, target } = logged.statement;
    if (revokes === "statement") append(this.#revocations, target as Digest, logged);
    else if (revokes === "subject") append(issuer.subjectRevocations, target as Did, logged);
    else if (!issuer.burn || logged.time < issuer.burn.time) issuer.burn = logged;
  }

  #agent(did: Did, index: number, time: number): AgentStatements {
    let agent = this.#agents.get(did);
    if (!agent) {
      agent = {
        did,
        first: { index, time },
        given: [],
        received: [],
        profiles: [],
        keyEvents: [],
        subjectRevocations: new Map(),
      };
      this.#agents.set(did, agent);
    }
    return agent;
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** The state of the key behind a DID. Only `active` agents give or receive anything. */
export type KeyStatus = "active" | "burnt" | "suspended" | "disputed";

/** The key that stands behind an agent at a time, as far as its key events can be read. */
export interface KeyState {
  readonly status: KeyStatus;
  readonly current: MultibaseKey;
  /** Number of key events that count. */
  readonly events: number;
  /** Why and since when it is not active, Unix seconds. */
  readonly since?: number;
}

/**
 * The key state of an agent at time `t`. Of several `init` events the earliest witnessed counts, two at one time are a
 * dispute. Any other event is one that this version cannot judge: it never guesses, the agent counts as disputed.
 */
export function keyStateAt(did: Did, agent: AgentStatements | undefined, t: number): KeyState {
  const own = { current: multibaseOf(did) };
  const events = (agent?.keyEvents ?? []).filter((event) => event.time <= t);
  const unread = events.find((event) => event.statement.event !== "init");
  if (unread) return { ...own, status: "disputed", events: events.length, since: unread.time };
  const earliest = Math.min(...events.map((event) => event.time));
  const inits = events.filter((event) => event.time === earliest);
  if (inits.length > 1) return { ...own, status: "disputed", events: inits.length, since: earliest };
  if (agent?.burn && agent.burn.time <= t) {
    return { ...own, status: "burnt", events: inits.length, since: agent.burn.time };
  }
  return { ...own, status: "active", events: inits.length };
}
