import type { Did, MultibaseKey } from "../did/did-key.ts";
import { multibaseOf } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import { keyDigest, meetsThreshold } from "../statement/key-event.ts";
import type { KeyEvent, RecoverySet } from "../statement/types.ts";
import { compare, type Logged } from "./statement-set.ts";

/** What a recover may supersede, and how long a new recovery set waits before it takes effect: 7 days. */
export const RECOVERY_WINDOW_SECONDS: number = 7 * 86_400;

/** A key event that extends its chain, with the state of the chain after it. */
export interface KeyNode {
  readonly event: KeyEvent;
  /** When it acts: its own witnessed time, or that of the event before it if that is later. */
  readonly at: number;
  /** The key that stands after it. After a revoke: the key that was revoked. */
  readonly current: MultibaseKey;
  /** Digest of the key that may rotate next. A revoke keeps it; every other event names a new one. */
  readonly next: Digest | undefined;
  /** The recovery set named last; one before it may still be in force. */
  readonly recovery: TimedSet | undefined;
  readonly children: KeyNode[];
  /** Earliest recover below it. */
  recoverBelow: number;
}

/** A recovery set with the time after which it is in force. */
export interface TimedSet {
  readonly set: RecoverySet;
  readonly after: number;
  readonly before: TimedSet | undefined;
}

/** The recovery set in force at a time. */
export function recoveryAt(node: KeyNode, time: number): RecoverySet | undefined {
  let timed = node.recovery;
  while (timed && time <= timed.after) timed = timed.before;
  return timed?.set;
}

/** The first events of an agent that count: one, or none, or several of one time, which is a dispute. */
export function firstEvents(did: Did, events: readonly Logged<KeyEvent>[]): Logged<KeyEvent>[] {
  const own = multibaseOf(did);
  const inits = events.filter(
    ({ statement }) => statement.event === "init" && statement.keys.length === 1 && statement.keys[0] === own,
  );
  const earliest = least(inits.map(({ time }) => time));
  return inits.filter(({ time }) => time === earliest);
}

/**
 * The tree of all key events that extend the chain from `init`: `seq` and `prev` follow, the committed keys signed, and a
 * recover comes while it may. Order of arrival plays no part. Linear in the number of events.
 */
export function keyTree(did: Did, init: Logged<KeyEvent>, events: readonly Logged<KeyEvent>[]): KeyNode {
  const following = new Map<Digest, Logged<KeyEvent>[]>();
  for (const event of events) {
    const { prev } = event.statement;
    if (prev === undefined) continue;
    const list = following.get(prev);
    if (list) list.push(event);
    else following.set(prev, [event]);
  }
  const { statement, time } = init;
  const root: KeyNode = {
    event: statement,
    at: time,
    current: multibaseOf(did),
    next: statement.next,
    recovery: statement.recovery && {
      set: statement.recovery,
      after: Number.NEGATIVE_INFINITY,
      before: undefined,
    },
    children: [],
    recoverBelow: Number.POSITIVE_INFINITY,
  };
  const all = [root];
  // The list grows while it is walked: parents before their children.
  for (const node of all) {
    for (const child of extensions(node, following.get(node.event.id) ?? [])) {
      node.children.push(child);
      all.push(child);
    }
  }
  for (const node of all.toReversed()) {
    for (const child of node.children) {
      const recovers = child.event.event === "recover" ? child.at : Number.POSITIVE_INFINITY;
      node.recoverBelow = Math.min(node.recoverBelow, recovers, child.recoverBelow);
    }
  }
  return root;
}

/** What comes after a node: the one event that counts, nothing, or a dispute that began at a time. */
export type Succession = KeyNode | { readonly disputedSince: number } | undefined;

/**
 * Of several events after one: recover beats rotate beats revoke; two of one rank are a dispute, which the first recover
 * below one of them ends. A rotate by a key that an earlier rotate had introduced, and that was retired by then, is late
 * and counts for nothing: a retired key cannot open a dispute.
 */
export function successorOf({ children }: KeyNode): Succession {
  const rotates = children.filter(({ event }) => event.event === "rotate");
  const [earliest] = rotates
    .map((child) => ({ at: child.at, retired: retiredAt(child) }))
    .toSorted((a, b) => a.retired - b.retired || a.at - b.at);
  const isLate = ({ at }: KeyNode): boolean => earliest !== undefined && earliest.at < at && earliest.retired <= at;
  for (const rank of ["recover", "rotate", "revoke"] as const) {
    const ofRank = children.filter(({ event }) => event.event === rank);
    const rivals = rank === "rotate" ? ofRank.filter((child) => !isLate(child)) : ofRank;
    const [first, second] = rivals.toSorted((a, b) => a.at - b.at || compare(a.event.id, b.event.id));
    if (!first) continue;
    if (!second) return first;
    const soonest = least(rivals.map(({ recoverBelow }) => recoverBelow));
    const [only, ...more] = rivals.filter(({ recoverBelow }) => recoverBelow === soonest);
    return soonest < Infinity && only && more.length === 0 ? only : { disputedSince: second.at };
  }
  return undefined;
}

/** When the key of an event was replaced by another, if it was. */
function retiredAt({ children }: KeyNode): number {
  return least(children.map(({ event, at }) => (event.event === "revoke" ? Infinity : at)));
}

/** `Math.min` of a list that a stranger may have made as long as the stack. */
function least(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => Math.min(a, b), Infinity);
}

/** The events after a node that are valid, each id once. */
function extensions(node: KeyNode, candidates: readonly Logged<KeyEvent>[]): KeyNode[] {
  const valid = new Map<Digest, KeyNode>();
  const consider = ({ statement: event, time }: Logged<KeyEvent>, others: readonly KeyNode[]): void => {
    const at = Math.max(time, node.at);
    if (event.seq !== node.event.seq + 1 || !isAuthorised(event, node, at)) return;
    // What is older than the window can no longer be undone.
    if (event.event === "recover" && others.some((other) => at - other.at > RECOVERY_WINDOW_SECONDS)) return;
    const known = valid.get(event.id);
    if (!known || at < known.at) valid.set(event.id, nodeAfter(node, event, at));
  };
  const inTime = candidates.toSorted((a, b) => a.time - b.time);
  for (const candidate of inTime) if (candidate.statement.event !== "recover") consider(candidate, []);
  for (const candidate of inTime) {
    if (candidate.statement.event === "recover") consider(candidate, [...valid.values()]);
  }
  return [...valid.values()];
}

function isAuthorised(event: KeyEvent, node: KeyNode, at: number): boolean {
  const { keys, key } = event;
  const [signer] = keys;
  const recovery = recoveryAt(node, at);
  switch (event.event) {
    case "rotate":
      return keys.length === 1 && signer === key && key !== undefined && keyDigest(key) === node.next;
    case "revoke": {
      if (keys.length !== 1 || signer === undefined) return false;
      if (signer === node.current) return true;
      const committed = keyDigest(signer);
      return committed === node.next || (recovery?.keys.includes(committed) ?? false);
    }
    case "recover":
      if (key === undefined || !keys.includes(key)) return false;
      return meetsThreshold(keys.filter((other) => other !== key).map(keyDigest), recovery);
    case "init":
      return false;
  }
}

function nodeAfter(before: KeyNode, event: KeyEvent, at: number): KeyNode {
  const after = at + RECOVERY_WINDOW_SECONDS;
  return {
    event,
    at,
    current: event.key ?? before.current,
    next: event.event === "revoke" ? before.next : event.next,
    recovery: event.recovery ? { set: event.recovery, after, before: before.recovery } : before.recovery,
    children: [],
    recoverBelow: Number.POSITIVE_INFINITY,
  };
}
