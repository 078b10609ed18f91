import { isPeerageError, type Did, type Policy } from "@peerage/core";
import { foreign } from "../ui/foreign.ts";
import type { Asked } from "./ask.ts";
import type { Ledger } from "./ledger.ts";
import type { Row } from "./row.ts";
import { newestFirst } from "./ledgers.ts";
import type { CallLine, Counts, Lens, LiveAgent, LiveData, LiveTool, Window } from "./live-data.ts";
import { lenses, windowMs, windows } from "./live-data.ts";
import { gateText, whyText } from "./words.ts";

/** Agents and targets in the picture; the others are folded. */
const SHOWN_AGENTS = 8;
const SHOWN_TOOLS = 8;
const SHOWN_CALLS = 25;
const BARS = 60;

/** What the live page shows: a stretch of time, up to now or up to `at`. */
export function loadLive(asked: Asked): LiveData {
  const { query, ledgers, guard, now } = asked;
  const window = windowOf(query.get("window"));
  const lens: Lens = lenses.find((one) => one === query.get("lens")) ?? "calls";
  const at = momentOf(query.get("at"), now);
  const end = at ?? now.getTime();
  const start = end - windowMs[window];
  const all = newestFirst(ledgers);
  const rows = all.filter((row) => row.at > start && row.at <= end);
  const counts = countsOf(rows);
  const agents = ranked(groupBy(rows, (row) => (row.unverified ? "" : (row.did ?? ""))));
  const tools = ranked(groupBy(rows, (row) => `${row.method}\n${row.target}`));
  const policies = policyReader(ledgers);
  const waiting = at === undefined ? waitingOf(ledgers) : new Map<string, number>();
  const oldest = Math.min(...ledgers.flatMap(({ rows: [first] }) => (first ? [first.at] : [])));
  const quiet = agents.slice(SHOWN_AGENTS);
  const [ledger] = ledgers.toSorted((a, b) => (b.rows.at(-1)?.at ?? 0) - (a.rows.at(-1)?.at ?? 0));
  const policy = at === undefined ? ledger?.policy : rows[0]?.policy;
  return {
    guards: asked.guards,
    ...(guard === undefined ? {} : { guard }),
    window,
    lens,
    ...(at === undefined ? {} : { at: new Date(at).toISOString() }),
    from: new Date(start).toISOString(),
    to: now.toISOString(),
    ...(Number.isFinite(oldest) ? { oldest: new Date(oldest).toISOString() } : {}),
    counts: { ...counts, waiting: [...waiting.values()].reduce((sum, n) => sum + n, 0) },
    suppressed: ledgers.reduce((sum, { suppressed }) => sum + suppressed, 0),
    agents: agents.slice(0, SHOWN_AGENTS).map(([key, of]) => agentOf(key, of, asked)),
    folded: {
      agents: quiet.length,
      calls: quiet.reduce((sum, [, of]) => sum + of.length, 0),
      tools: Math.max(0, tools.length - SHOWN_TOOLS),
    },
    tools: tools.slice(0, SHOWN_TOOLS).map(([, of]) => toolOf(of, waiting, policies)),
    gate: {
      ...(policy === undefined ? {} : { policy }),
      ...present("p50", median(rows.flatMap(({ ms }) => ms ?? []))),
    },
    calls: rows.slice(0, SHOWN_CALLS).map((row) => lineOf(row, asked, policies)),
    bars: barsOf(rows, start, windowMs[window] / BARS),
  };
}

/** A call as lists show it. */
export function lineOf(row: Row, { nameOf }: Pick<Asked, "nameOf">, policies: PolicyReader): CallLine {
  const { guard, id, seq, at, verdict, did, unverified, score, method, target, reason, ms, outcome } = row;
  return {
    guard,
    id,
    seq,
    at: new Date(at).toISOString(),
    verdict,
    ...present("did", did),
    ...present("name", did === undefined ? undefined : nameOf(did)),
    unverified,
    ...present("score", score),
    method: shown(method),
    target: shown(target),
    why: shown(whyText(row, policies(row))),
    ...present("reason", reason),
    ...present("ms", ms),
    ...present("outcome", outcome),
  };
}

/** Policies by the calls that they decided, each read once. */
export type PolicyReader = (row: Pick<Row, "guard" | "policy">) => Policy | undefined;

export function policyReader(ledgers: readonly Ledger[]): PolicyReader {
  const known = new Map<string, Policy | undefined>();
  return ({ guard, policy }) => {
    if (known.has(policy)) return known.get(policy);
    let read: Policy | undefined;
    try {
      read = ledgers.find(({ name }) => name === guard)?.source.policy(policy);
    } catch (error) {
      // A policy that this version cannot read explains nothing, and that is all.
      if (!isPeerageError(error)) throw error;
    }
    known.set(policy, read);
    return read;
  };
}

/** A name of the caller's choosing, made harmless; nothing that is left is said so. */
export function shown(text: string): string {
  return foreign(text) ?? "(empty)";
}

function windowOf(text: string | null): Window {
  return windows.find((one) => one === text) ?? "15m";
}

/** A moment in Unix seconds or as RFC 3339, if it is one before now. */
function momentOf(text: string | null, now: Date): number | undefined {
  if (text === null || text === "") return undefined;
  const ms = /^\d{9,11}$/.test(text) ? Number(text) * 1000 + 999 : Date.parse(text);
  // The end of the slider is now.
  return Number.isNaN(ms) || ms >= now.getTime() - 1_000 ? undefined : ms;
}

/** Items that can be answered now, by guard, method and target. */
function waitingOf(ledgers: readonly Ledger[]): Map<string, number> {
  const waiting = new Map<string, number>();
  for (const { source } of ledgers) {
    for (const { method, target } of source.items(["open"])) {
      const key = `${method}\n${target}`;
      waiting.set(key, (waiting.get(key) ?? 0) + 1);
    }
  }
  return waiting;
}

function groupBy(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = key(row);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return groups;
}

/** The busiest first; those of equal number by name, so that places stay. */
function ranked(groups: ReadonlyMap<string, Row[]>): [string, Row[]][] {
  return [...groups].sort(([a, of], [b, other]) => other.length - of.length || (a < b ? -1 : 1));
}

function agentOf(key: string, rows: readonly Row[], { nameOf }: Asked): LiveAgent {
  const did = key === "" ? undefined : (key as Did);
  return {
    ...countsOf(rows),
    ...present("did", did),
    ...present("name", did === undefined ? undefined : nameOf(did)),
    ...present("score", rows.find(({ score }) => score !== undefined)?.score),
    ...present("ms", median(rows.flatMap(({ ms }) => ms ?? []))),
  };
}

function toolOf(rows: readonly Row[], waiting: ReadonlyMap<string, number>, policies: PolicyReader): LiveTool {
  const [newest] = rows as readonly [Row, ...Row[]];
  const { method, target } = newest;
  return {
    ...countsOf(rows),
    method: shown(method),
    target,
    label: shown(target),
    rule: shown(gateText(policies(newest), method, target)),
    waiting: waiting.get(`${method}\n${target}`) ?? 0,
    ...present("ms", median(rows.flatMap(({ ms }) => ms ?? []))),
  };
}

/** How many calls were admitted, refused and put to a person. */
export function countsOf(rows: readonly Pick<Row, "verdict">[]): Counts {
  const counts = { admitted: 0, refused: 0, asked: 0 };
  for (const { verdict } of rows) counts[verdict]++;
  return counts;
}

function barsOf(rows: readonly Row[], start: number, step: number): Counts[] {
  const bars = Array.from({ length: BARS }, () => ({ admitted: 0, refused: 0, asked: 0 }));
  for (const { at, verdict } of rows) {
    const bar = bars[Math.min(BARS - 1, Math.floor((at - start) / step))];
    if (bar) bar[verdict]++;
  }
  return bars;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** A member that is left out where there is nothing to say. */
export function present<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [P in K]?: V };
}
