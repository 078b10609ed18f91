import {
  type Did,
  digest,
  type KeyEvent,
  type Logged,
  type Network,
  type Report,
  type Revocation,
  trustScore,
  type View,
  type Vouch,
} from "@peerage/core";
import { rfc3339 } from "../ui/time.ts";

/** What every event says. */
interface EventBase {
  /** The same for the same event, whoever watches: one delivery, however often it is tried. */
  readonly id: string;
  /** RFC 3339: when the log published it; of a score, the time of the view that it was computed from. */
  readonly at: string;
  /** The watched agents that it is about. */
  readonly agents: readonly Did[];
}

/** One entry of the log that concerns a watched agent. */
interface LoggedEvent extends EventBase {
  readonly index: number;
  /** The statement's id. */
  readonly statement: string;
  readonly issuer: Did;
}

/** What can happen to an agent that others should hear of. */
export type TrustEvent =
  | (LoggedEvent & {
      readonly type: "vouch";
      readonly subject: Did;
      readonly scope: readonly string[];
      readonly confidence: number;
      readonly validUntil: string;
    })
  | (LoggedEvent & {
      readonly type: "revocation";
      readonly revokes: "statement" | "subject";
      readonly target: string;
      /** Whose vouches end. Unknown where the statement that is withdrawn is not in the log. */
      readonly subject?: Did;
    })
  | (LoggedEvent & { readonly type: "key"; readonly event: KeyEvent["event"] | "burn" })
  | (LoggedEvent & { readonly type: "report"; readonly subject: Did; readonly category: Report["category"] })
  | (EventBase & {
      readonly type: "score";
      readonly scope: string;
      readonly min: number;
      readonly score: number | "unknown";
      readonly crossed: "above" | "below";
      /** Entries of the log that it was computed from. */
      readonly size: number;
    });

/**
 * Entries from `from` on that concern these agents, in log order. What counts for nothing is no event.
 * @returns at most `most` events, and the first entry behind them that was not looked at
 */
export function loggedEvents(
  network: Network,
  from: number,
  watched: ReadonlySet<Did>,
  most: number,
): { readonly events: readonly TrustEvent[]; readonly next: number } {
  const { view } = network;
  const rejected = new Set(network.rejected.map(({ index }) => index));
  const entries = [...view.statements.members()]
    .filter(({ index }) => index >= from && index < view.size && !rejected.has(index))
    .sort((one, other) => one.index - other.index);
  const events: TrustEvent[] = [];
  for (const logged of entries) {
    const event = eventOf(view, logged, watched);
    if (event && events.length >= most) return { events, next: logged.index };
    if (event) events.push(event);
  }
  return { events, next: Math.max(from, view.size) };
}

function eventOf(view: View, { statement, index, time }: Logged, watched: ReadonlySet<Did>): TrustEvent | undefined {
  const about = <T extends object>(parties: readonly (Did | undefined)[], more: T): (LoggedEvent & T) | undefined => {
    const agents = [...new Set(parties)].filter((did) => did !== undefined && watched.has(did)) as Did[];
    if (agents.length === 0) return undefined;
    const { id, issuer } = statement;
    return { id: idOf(view, id), at: rfc3339(time), agents, index, statement: id, issuer, ...more };
  };
  switch (statement.kind) {
    case "Vouch": {
      const { issuer, subject, scope, confidence, validUntil } = statement;
      const members = { subject, scope, confidence, validUntil: rfc3339(validUntil) };
      return about([subject, issuer], { type: "vouch" as const, ...members });
    }
    case "Revocation":
      return revocation(view, statement, about);
    case "KeyEvent":
      return about([statement.issuer], { type: "key" as const, event: statement.event });
    case "Report": {
      const { subject, category } = statement;
      return about([subject], { type: "report" as const, subject, category });
    }
    case "AgentProfile":
      return undefined;
  }
}

function revocation(
  view: View,
  { issuer, revokes, target }: Revocation,
  about: <T extends object>(parties: readonly (Did | undefined)[], more: T) => (LoggedEvent & T) | undefined,
): TrustEvent | undefined {
  if (revokes === "self") return about([issuer], { type: "key" as const, event: "burn" as const });
  const subject = revokes === "subject" ? (target as Did) : subjectOf(view, issuer, target);
  const members = { revokes, target, ...(subject === undefined ? {} : { subject }) };
  return about([subject, issuer], { type: "revocation" as const, ...members });
}

/** For whom the vouch was that its issuer takes back; nobody else's revocation has any effect. */
function subjectOf(view: View, issuer: Did, target: string): Did | undefined {
  const withdrawn = view.statement(target as Vouch["id"])?.statement;
  return withdrawn?.kind === "Vouch" && withdrawn.issuer === issuer ? withdrawn.subject : undefined;
}

/** What a threshold is asked of. */
export interface Threshold {
  readonly scope: string;
  /** Above 0, at most 1. */
  readonly min: number;
  readonly roots: readonly Did[];
}

/** Who reaches a threshold in a view. */
export type Reached = Readonly<Record<string, boolean>>;

/** The scores that crossed the threshold since the last look; an agent that was never looked at has crossed nothing. */
export function scoreEvents(
  view: View,
  watched: ReadonlySet<Did>,
  { scope, min, roots }: Threshold,
  before: Reached,
): { readonly events: TrustEvent[]; readonly reached: Reached } {
  const graph = view.graph(scope);
  const reached: Record<string, boolean> = {};
  const events: TrustEvent[] = [];
  for (const did of watched) {
    const { score } = trustScore(graph, { roots, target: did });
    const now = score !== "unknown" && score >= min;
    reached[did] = now;
    if (before[did] === undefined || before[did] === now) continue;
    const crossed = now ? ("above" as const) : ("below" as const);
    const { size, time } = view;
    const id = idOf(view, "score", did, scope, String(min), crossed, String(size), String(time), ...roots);
    events.push({ id, type: "score", at: rfc3339(time), agents: [did], scope, min, score, crossed, size });
  }
  return { events, reached };
}

function idOf({ origin }: View, ...parts: readonly string[]): string {
  return `evt_${digest([origin, ...parts]).slice(7, 39)}`;
}
