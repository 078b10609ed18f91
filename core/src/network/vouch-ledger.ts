import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { Vouch } from "../statement/types.ts";
import { DueQueue } from "./due-queue.ts";
import { keyChangeAfter } from "./key-state.ts";
import type { Logged, StatementSet } from "./statement-set.ts";
import { judgePair, type VouchRecord } from "./vouch-status.ts";

/** What changed between two agents: the vouches that were in force, and those that are. */
export interface PairChange {
  readonly before: readonly VouchRecord[];
  readonly after: readonly VouchRecord[];
}

/** All vouches of one agent for another. */
interface Pair {
  vouches: Logged<Vouch>[];
  inForce: readonly VouchRecord[];
  /** When it is looked at again. */
  due: number;
}

const NONE: readonly VouchRecord[] = [];
const NO_VOUCHES: Logged<Vouch>[] = [];
/** Two numbers below this fit in one, exactly. */
const MOST_AGENTS = 2 ** 26;

/**
 * Which vouches of a statement set are in force, kept up to date: as statements arrive and time passes, only the pairs
 * that they can touch are judged anew. The outcome is what judging everything would give.
 */
export class VouchLedger {
  readonly set: StatementSet;
  /** Agents by number, and by both of their numbers what one said of the other. */
  readonly #numbers = new Map<Did, number>();
  readonly #pairs = new Map<number, Pair>();
  readonly #due = new DueQueue<Pair | Did>();
  /** When the agents that wait in the queue are looked at again. */
  readonly #agentDue = new Map<Did, number>();
  #time = Number.NEGATIVE_INFINITY;
  /** Arrivals that were looked at. */
  #seen = 0;
  /** Pairs that were judged, ever: the work that was done. */
  #judged = 0;

  constructor(set: StatementSet) {
    this.set = set;
  }

  /** Unix seconds of the last {@link advance}. */
  get time(): number {
    return this.#time;
  }
  get judgedPairs(): number {
    return this.#judged;
  }
  /** The next time at which a vouch begins or ends, or a key changes its state; nothing changes earlier but by arrivals. */
  get changesAt(): number {
    return this.#due.next;
  }

  /** Follows the set to a time that is not before the last one. @throws {RangeError} it is */
  advance(time: number): PairChange[] {
    if (time < this.#time) throw new RangeError("a ledger goes forward only");
    this.#time = time;
    const dirty = new Set<Pair>();
    for (const arrival of this.set.arrivals(this.#seen)) this.#touch(arrival, dirty);
    this.#seen = this.set.arrivalCount;
    for (const due of this.#due.due(time)) {
      if (typeof due !== "string") dirty.add(due);
      else if (this.#agentDue.delete(due)) this.#touchAgent(due, dirty);
    }
    const changes: PairChange[] = [];
    for (const pair of dirty) {
      const before = pair.inForce;
      this.#judge(pair);
      if (!same(before, pair.inForce)) changes.push({ before, after: pair.inForce });
    }
    return changes;
  }

  /** The vouches in force between two agents: more than one if they are for different scopes. */
  between(issuer: Did, subject: Did): readonly VouchRecord[] {
    return this.#pairs.get(this.#nameOf(issuer, subject))?.inForce ?? NONE;
  }

  /** All vouches in force, in no particular order. */
  *inForce(): Generator<VouchRecord> {
    for (const pair of this.#pairs.values()) yield* pair.inForce;
  }

  #judge(pair: Pair): void {
    this.#judged++;
    const time = this.#time;
    const inForce = judgePair(this.set, pair.vouches, time).filter(({ status }) => status === "in-force");
    pair.inForce = inForce.length === 0 ? NONE : inForce;
    let due = Number.POSITIVE_INFINITY;
    const wait = (until: number): void => {
      if (until > time) due = Math.min(due, until);
    };
    for (const { statement } of pair.vouches) {
      wait(statement.validFrom);
      wait(statement.validUntil);
      // Of several logs one may be ahead: what it witnessed in the future acts from then on.
      for (const revocation of this.set.revocationsOf(statement.id)) wait(revocation.time);
      const { subjectRevocations } = this.set.agent(statement.issuer) ?? {};
      for (const revocation of subjectRevocations?.get(statement.subject) ?? []) wait(revocation.time);
    }
    // A pair stands in the queue once for each time it waits for.
    if (due !== pair.due) this.#due.add((pair.due = due), pair);
  }

  /** Marks what a statement that arrived, or whose witnessed time became an earlier one, can change. */
  #touch({ logged, again }: { logged: Logged; again: boolean }, dirty: Set<Pair>): void {
    const { statement } = logged;
    switch (statement.kind) {
      case "Vouch": {
        const pair = this.#pairOf(statement.issuer, statement.subject);
        // A list of one takes a tenth of the room of one that has grown to one, and most pairs have one.
        if (!again && pair.vouches.length === 0) pair.vouches = [logged as Logged<Vouch>];
        else if (!again) pair.vouches.push(logged as Logged<Vouch>);
        dirty.add(pair);
        break;
      }
      case "KeyEvent":
        this.#touchAgent(statement.issuer, dirty);
        break;
      case "Revocation": {
        if (statement.revokes === "self") {
          this.#touchAgent(statement.issuer, dirty);
          break;
        }
        for (const pair of this.#revocable(statement.issuer, statement.revokes, statement.target)) dirty.add(pair);
      }
    }
  }

  #revocable(issuer: Did, revokes: string, target: string): Pair[] {
    const subjects =
      revokes === "subject"
        ? [target as Did]
        : this.set
            .byId(target as Digest)
            .flatMap(({ statement }) =>
              statement.kind === "Vouch" && statement.issuer === issuer ? [statement.subject] : [],
            );
    return subjects.flatMap((subject) => this.#pairs.get(this.#nameOf(issuer, subject)) ?? []);
  }

  /** Its key changed, or may have: everything that it gave or received. */
  #touchAgent(did: Did, dirty: Set<Pair>): void {
    const agent = this.set.agent(did);
    if (!agent) return;
    for (const { statement } of agent.given) dirty.add(this.#pairOf(did, statement.subject));
    for (const { statement } of agent.received) dirty.add(this.#pairOf(statement.issuer, did));
    const due = keyChangeAfter(agent, this.#time);
    if (due === this.#agentDue.get(did)) return;
    this.#agentDue.set(did, due);
    this.#due.add(due, did);
  }

  #pairOf(issuer: Did, subject: Did): Pair {
    const name = this.#nameOf(issuer, subject);
    let pair = this.#pairs.get(name);
    if (!pair) this.#pairs.set(name, (pair = { vouches: NO_VOUCHES, inForce: NONE, due: Number.POSITIVE_INFINITY }));
    return pair;
  }

  #nameOf(issuer: Did, subject: Did): number {
    return this.#numberOf(issuer) * MOST_AGENTS + this.#numberOf(subject);
  }

  #numberOf(did: Did): number {
    let number = this.#numbers.get(did);
    if (number === undefined) this.#numbers.set(did, (number = this.#numbers.size));
    return number;
  }
}

function same(before: readonly VouchRecord[], after: readonly VouchRecord[]): boolean {
  return (
    before.length === after.length &&
    before.every((one, i) => {
      const other = after[i];
      return (
        other?.statement.id === one.statement.id && other.time === one.time && sameScopes(other.scopes, one.scopes)
      );
    })
  );
}

function sameScopes(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((scope, i) => scope === b[i]);
}
