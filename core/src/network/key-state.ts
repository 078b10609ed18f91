import { type Did, type KeyId, type MultibaseKey, multibaseOf } from "../did/did-key.ts";
import { PeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import { keyDigest } from "../statement/key-event.ts";
import type { RecoverySet, Revocation } from "../statement/types.ts";
import { firstEvents, type KeyNode, keyTree, RECOVERY_WINDOW_SECONDS, recoveryAt, successorOf } from "./key-tree.ts";
import type { AgentStatements, Logged } from "./statement-set.ts";

/** `compromised since` reaches back at most this far from its witnessed time: 30 days. */
export const MAX_COMPROMISE_SECONDS: number = 30 * 86_400;

/** The state of the key behind a DID. Only `active` agents give or receive anything. */
export type KeyStatus = "active" | "burnt" | "suspended" | "disputed";

/** The key that stands behind an agent at a time. */
export interface KeyState {
  readonly status: KeyStatus;
  /** The key that signs for the DID; unless `active`, the last one that did. */
  readonly current: MultibaseKey;
  /** Number of key events that count. */
  readonly events: number;
  /** Since when it is not active, Unix seconds. */
  readonly since?: number;
  /** `seq` and id of the last event that counts: what the next event names as `prev`. */
  readonly seq?: number;
  readonly last?: Digest;
  /** Digest of the key that may rotate next. */
  readonly next?: Digest;
  /** The recovery set in force. */
  readonly recovery?: RecoverySet;
  /** A set that takes effect after a time, Unix seconds: its time lock. */
  readonly pendingRecovery?: { readonly set: RecoverySet; readonly after: number };
  /** How often it declared a key compromised, which voids what it gave: shown beside its name. */
  readonly compromises: number;
}

/** A key with the times between which it stood behind the DID: from ≤ wt < until. */
export interface KeyPeriod {
  readonly key: MultibaseKey;
  /** Unix seconds, inclusive; `-Infinity` for the first key. */
  readonly from: number;
  /** Unix seconds, exclusive; `Infinity` while it stands. */
  readonly until: number;
}

const NO_EVENTS: ReadonlySet<Digest> = new Set();

/** What the key events of an agent amount to at a time: the state, and which of its statements count. */
export class KeyHistory {
  readonly state: KeyState;
  /** In order of time. The DID's own key stands from the beginning. */
  readonly periods: readonly KeyPeriod[];
  readonly #compromised: readonly { readonly since: number; readonly until: number }[];
  readonly #path: readonly KeyNode[];
  readonly #firsts: ReadonlySet<Digest>;
  #valid: Set<Digest> | undefined;

  constructor(
    state: KeyState,
    periods: readonly KeyPeriod[],
    path: readonly KeyNode[] = [],
    firsts: ReadonlySet<Digest> = NO_EVENTS,
  ) {
    this.state = state;
    this.periods = periods;
    this.#path = path;
    this.#firsts = firsts;
    this.#compromised = path.flatMap(({ event, at }) => {
      if (event.since === undefined) return [];
      return [{ since: Math.min(at, Math.max(event.since, at - MAX_COMPROMISE_SECONDS)), until: at }];
    });
  }

  /** True if every signer of a statement stood behind the DID at its witnessed time. */
  signed({ statement, time }: Logged): boolean {
    return statement.keys.every((key) => this.stoodAt(key, time));
  }

  /** True if the signer of a revocation of self may burn the agent: its key of that time, or a recovery key that suffices. */
  burns(burn: Logged<Revocation>): boolean {
    return this.signed(burn) || isRecoveryBurn(burn, this.#path);
  }

  /** True if a key stood behind the DID at a time. */
  stoodAt(key: MultibaseKey, time: number): boolean {
    return this.periods.some((period) => period.key === key && period.from <= time && time < period.until);
  }

  /** True if what the agent gave at a witnessed time was declared void since: its key was compromised. */
  voids(time: number): boolean {
    return this.#compromised.some(({ since, until }) => since <= time && time < until);
  }

  /**
   * From when on what a key signed cannot be told from what a thief signs with it, Unix seconds: it was declared stolen
   * since then, or the agent burnt itself, was suspended or is in dispute. Undefined of a key that was never lost, a
   * retired one among them. A thief dates back, so a date before it needs another witness than the signature.
   */
  lostSince(key: MultibaseKey): number | undefined {
    const { status, since, current } = this.state;
    const own = this.periods.filter((period) => period.key === key);
    const lost = this.#compromised.filter((loss) =>
      own.some(({ from, until }) => from < loss.until && loss.since < until),
    );
    const end = own.at(-1)?.until;
    if (status !== "active" && since !== undefined && end !== undefined && (key === current || since <= end)) {
      // The last key ended with the agent, or before it, where a recovery key burnt what was suspended already.
      lost.push({ since: Math.min(since, end), until: Number.POSITIVE_INFINITY });
    }
    return lost.length === 0 ? undefined : Math.min(...lost.map((loss) => loss.since));
  }

  /** True if what the agent received at a witnessed time waits for a new one, as a thief may have asked for it. */
  quarantines(time: number): boolean {
    return this.#compromised.some(({ since, until }) => since <= time && time <= until);
  }

  /** True if an event is one of those that count now. */
  includes(event: Digest): boolean {
    return this.#path.some((node) => node.event.id === event);
  }

  /** True if an event extends the chain, be it superseded or in dispute: nobody may be blamed for having logged it. */
  extends(event: Digest): boolean {
    if (!this.#valid) {
      this.#valid = new Set(this.#firsts);
      const nodes = this.#path.slice(0, 1);
      for (const node of nodes) {
        this.#valid.add(node.event.id);
        for (const child of node.children) nodes.push(child);
      }
    }
    return this.#valid.has(event);
  }

  /** Every key that has stood behind the DID. */
  keys(): readonly MultibaseKey[] {
    return [...new Set(this.periods.map(({ key }) => key))];
  }
}

interface Cached {
  readonly revision: number;
  readonly history: KeyHistory;
  readonly from: number;
  readonly until: number;
}

// The same question is asked for every vouch of an agent: the last answer is kept for as long as it stays the same.
const answers = new WeakMap<AgentStatements, Cached>();

/**
 * The key history of an agent at time `t`: a pure function of the statements witnessed by then, whatever their order.
 * registry.md section 5 is its definition.
 */
export function keyHistoryAt(did: Did, agent: AgentStatements | undefined, t: number): KeyHistory {
  // Most agents never speak of their keys: for them there is nothing worth keeping.
  if (!agent || (agent.keyEvents.length === 0 && agent.burns.length === 0)) return plainHistory(did);
  const cached = answers.get(agent);
  if (cached?.revision === agent.keyRevision && cached.from <= t && t < cached.until) return cached.history;
  const history = computeHistory(did, agent, t);
  answers.set(agent, { revision: agent.keyRevision, history, ...steadyAround(agent, t) });
  return history;
}

/** The key state of an agent at time `t`. */
export function keyStateAt(did: Did, agent: AgentStatements | undefined, t: number): KeyState {
  return keyHistoryAt(did, agent, t).state;
}

/** The time after `t` at which the key history of an agent changes by what is in the set already. */
export function keyChangeAfter(agent: AgentStatements, t: number): number {
  return steadyAround(agent, t).until;
}

/**
 * Checks that a signature made now by the key `kid` speaks for its DID, in this state of its key.
 * @throws {PeerageError} ERR_KEY_REVOKED, ERR_KEY_DISPUTED, ERR_KEY_SUPERSEDED
 */
export function checkSigningKey(kid: KeyId, state: Pick<KeyState, "status" | "current">): void {
  if (state.status === "disputed") {
    throw new PeerageError("ERR_KEY_DISPUTED", "key events of this agent contradict each other", {
      detail: "disputed",
    });
  }
  if (state.status !== "active") {
    throw new PeerageError("ERR_KEY_REVOKED", "the key of this agent does not count", { detail: state.status });
  }
  if (kid.slice(kid.indexOf("#") + 1) !== state.current) {
    throw new PeerageError("ERR_KEY_SUPERSEDED", "another key stands behind this agent now", { detail: "superseded" });
  }
}

/** Of an agent that never spoke of its key: the DID's own stands. */
function plainHistory(did: Did): KeyHistory {
  const current = multibaseOf(did);
  return new KeyHistory({ status: "active", current, events: 0, compromises: 0 }, [always(current)]);
}

function always(key: MultibaseKey): KeyPeriod {
  return { key, from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
}

/** The times at which anything about the keys happens, time locks included: between them the history stays. */
function steadyAround(agent: AgentStatements, t: number): { from: number; until: number } {
  let [from, until] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const mark = (time: number): void => {
    if (time <= t) from = Math.max(from, time);
    else until = Math.min(until, time);
  };
  for (const { time } of agent.keyEvents) {
    mark(time);
    mark(time + RECOVERY_WINDOW_SECONDS + 1);
  }
  for (const { time } of agent.burns) mark(time);
  return { from, until };
}

function computeHistory(did: Did, agent: AgentStatements, t: number): KeyHistory {
  const own = multibaseOf(did);
  const events = agent.keyEvents.filter(({ time }) => time <= t);
  const firsts = firstEvents(did, events);
  const [init] = firsts;
  const ids = new Set(firsts.map(({ statement }) => statement.id));
  const walked = init && ids.size === 1 ? walk(did, init, events, t) : undefined;
  const periods = walked ? periodsOf(own, walked.path) : [always(own)];
  const unburnt: KeyState = walked?.state ?? {
    status: init ? "disputed" : "active",
    current: own,
    events: ids.size,
    compromises: 0,
    ...(init ? { since: init.time } : {}),
  };
  const history = new KeyHistory(unburnt, periods, walked?.path, ids);
  const burnt = finalBurn(history, walked?.path ?? [], agent.burns, t);
  return burnt
    ? new KeyHistory({ ...unburnt, status: "burnt", since: burnt.time }, periods, walked?.path, ids)
    : history;
}

/** Follows the events that count, from `init` to the last or to a dispute. */
function walk(
  did: Did,
  init: Logged<KeyNode["event"]>,
  events: readonly Logged<KeyNode["event"]>[],
  t: number,
): { state: KeyState; path: readonly KeyNode[] } {
  const path: KeyNode[] = [];
  let at: ReturnType<typeof successorOf> = keyTree(did, init, events);
  let last: KeyNode = at;
  while (at && "event" in at) {
    path.push((last = at));
    at = successorOf(at);
  }
  const status: KeyStatus = at ? "disputed" : last.event.event === "revoke" ? "suspended" : "active";
  const since = at?.disputedSince ?? (status === "suspended" ? last.at : undefined);
  const recovery = recoveryAt(last, t);
  const pending = last.recovery && t <= last.recovery.after ? last.recovery : undefined;
  const state: KeyState = {
    status,
    current: last.current,
    events: path.length,
    seq: last.event.seq,
    last: last.event.id,
    compromises: path.filter(({ event }) => event.reason === "compromised").length,
    ...(since === undefined ? {} : { since }),
    ...(last.next === undefined ? {} : { next: last.next }),
    ...(recovery ? { recovery } : {}),
    ...(pending ? { pendingRecovery: { set: pending.set, after: pending.after } } : {}),
  };
  return { state, path };
}

/** A key stands from the event that shows it until the next event of any kind but `init`. */
function periodsOf(own: MultibaseKey, path: readonly KeyNode[]): KeyPeriod[] {
  const periods: KeyPeriod[] = [];
  let open: { key: MultibaseKey; from: number } | undefined = { key: own, from: Number.NEGATIVE_INFINITY };
  for (const { event, at } of path) {
    if (event.event === "init") continue;
    if (open) periods.push({ ...open, until: at });
    open = event.key === undefined ? undefined : { key: event.key, from: at };
  }
  if (open) periods.push({ ...open, until: Number.POSITIVE_INFINITY });
  return periods;
}

/** The earliest burn that a key of that time signed and that no recover undid within 7 days. */
function finalBurn(
  history: KeyHistory,
  path: readonly KeyNode[],
  burns: readonly Logged<Revocation>[],
  t: number,
): Logged<Revocation> | undefined {
  let earliest: Logged<Revocation> | undefined;
  for (const burn of burns) {
    if (burn.time > t || (earliest && earliest.time <= burn.time)) continue;
    if (!history.burns(burn)) continue;
    const undone = path.some(
      ({ event, at }) => event.event === "recover" && at >= burn.time && at - burn.time <= RECOVERY_WINDOW_SECONDS,
    );
    if (!undone) earliest = burn;
  }
  return earliest;
}

/** A single recovery key burns where one is enough to recover. */
function isRecoveryBurn({ statement, time }: Logged, path: readonly KeyNode[]): boolean {
  const before = path.findLast(({ at }) => at <= time);
  const recovery = before && recoveryAt(before, time);
  return recovery?.threshold === 1 && statement.keys.every((key) => recovery.keys.includes(keyDigest(key)));
}
