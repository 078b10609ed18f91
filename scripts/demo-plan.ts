import { createHash } from "node:crypto";
import { identityFromSeed, type Identity } from "@peerage/core";

/** An agent of an invented network. */
export interface PlannedAgent {
  readonly identity: Identity;
  readonly name: string;
  readonly about: string;
  readonly role: "agent" | "server";
  /** Number of the ring of fakes it belongs to; undefined for the honest. */
  readonly ring?: number;
}

/** What is to happen, day by day; agents are named by their place in the plan. */
export type PlannedEvent = { readonly day: number } & (
  | { readonly kind: "profile"; readonly agent: number }
  | {
      readonly kind: "vouch";
      readonly from: number;
      readonly to: number;
      readonly scope: readonly string[];
      readonly confidence: number;
      readonly note?: string;
    }
  | { readonly kind: "withdraw"; readonly from: number; readonly to: number }
  | { readonly kind: "report"; readonly from: number; readonly to: number; readonly note: string }
);

/** An invented network: the same seed, number and length always make the same one. */
export interface Plan {
  readonly agents: readonly PlannedAgent[];
  readonly roots: readonly number[];
  /** Members of each ring of fakes. */
  readonly rings: readonly (readonly number[])[];
  readonly events: readonly PlannedEvent[];
  readonly days: number;
}

/** Fewest agents of which two rings and a network remain. */
export const LEAST_AGENTS = 40;

const fields = [
  {
    scope: ["tools", "code-review"],
    tasks: ["pr-reviewer", "test-runner", "dependency-watch", "release-notes", "flake-hunter", "migration-planner"],
    word: "Its reviews of our changes were right and short.",
  },
  {
    scope: ["tools", "data"],
    tasks: ["table-cleaner", "schema-mapper", "report-writer", "anomaly-watch", "query-tuner", "catalog-keeper"],
    word: "Reads our warehouse every night and has never asked for more than it needs.",
  },
  {
    scope: ["tools", "payments"],
    tasks: ["invoice-reader", "ledger-reconciler", "refund-clerk", "expense-check", "dunning-writer", "tax-sorter"],
    word: "A month of reconciliations without a difference.",
  },
  {
    scope: ["research"],
    tasks: ["paper-finder", "claim-checker", "trial-monitor", "patent-reader", "source-ranker", "survey-coder"],
    word: "Cites what it has read, and only that.",
  },
  {
    scope: ["tools", "support"],
    tasks: ["ticket-triage", "answer-drafter", "call-summary", "status-writer", "translation-desk", "escalation-desk"],
    word: "Hands over to a person when it should.",
  },
  {
    scope: ["tools", "search"],
    tasks: ["web-search", "map-search", "law-search", "shop-search", "news-search", "archive-search"],
    word: "A server of ours uses it; its receipts all verify.",
  },
] as const;
const houses =
  "alder basalt cinder dovetail elm fjord gannet harbour iris juniper kestrel lantern meridian nettle osprey quarry rowan saltmarsh tern willow".split(
    " ",
  );
const ringNames = ["best-deals", "instant-approval", "top-rated", "fast-payout", "verified-pro", "five-star"];
const DAYS = 45;

/** @throws {RangeError} if there are too few agents for two rings and a network around them */
export function planNetwork(count: number, seed: string): Plan {
  if (!Number.isSafeInteger(count) || count < LEAST_AGENTS) {
    throw new RangeError(`a network of ${LEAST_AGENTS} agents at least`);
  }
  const random = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const ringSize = Math.max(8, Math.round(count * 0.06));
  const honest = count - 2 * ringSize;
  const agents: PlannedAgent[] = [];
  const groups = fields.map((): number[] => []);
  const used = new Map<string, number>();
  const called = (name: string): string => {
    const times = (used.get(name) ?? 0) + 1;
    used.set(name, times);
    return times === 1 ? name : `${name}-${times}`;
  };
  for (let i = 0; i < honest; i++) {
    // Some fields are larger than others, as they are.
    const field = i < fields.length ? i : Math.floor(random() ** 1.4 * fields.length);
    const task = pick(fields[field]!.tasks);
    const isServer = field === 5 || random() < 0.08;
    groups[field]!.push(i);
    const about = `${task.replace("-", " ")}, ${isServer ? "an MCP server" : "an agent"} for ${fields[field]!.scope.at(-1)!}`;
    agents.push({
      identity: keyOf(seed, i),
      name: called(`${pick(houses)}-${task}`),
      about,
      role: isServer ? "server" : "agent",
    });
  }
  const rings = [0, 1].map((ring) =>
    Array.from({ length: ringSize }, () => {
      const i = agents.length;
      const name = called(`${pick(ringNames)}-${pick(fields).tasks[0]}`);
      agents.push({ identity: keyOf(seed, i), name, about: "rated best by everybody", role: "agent", ring });
      return i;
    }),
  );
  const roots = [groups[0]![0]!, groups[2]![0]!];
  const events: PlannedEvent[] = [];
  const joined = agents.map((agent, i) => {
    const day = roots.includes(i)
      ? 0
      : agent.ring === undefined
        ? Math.floor(random() ** 1.2 * 42)
        : 30 + agent.ring * 5;
    events.push({ kind: "profile", agent: i, day });
    return day;
  });
  const known = new Set<string>();
  const vouch = (from: number, to: number, scope: readonly string[], confidence: number, note?: string): void => {
    if (from === to || known.has(`${from} ${to}`)) return;
    known.add(`${from} ${to}`);
    const earliest = Math.max(joined[from]!, joined[to]!);
    const isFake = agents[from]!.ring !== undefined;
    const day = Math.min(DAYS - 1, earliest + (isFake ? 0 : Math.floor(random() * 8)));
    events.push({ kind: "vouch", from, to, scope, confidence, day, ...(note === undefined ? {} : { note }) });
  };
  const confidence = (): number => 45 + Math.floor(random() * 48);
  for (const root of roots) {
    for (const [field, group] of groups.entries()) {
      for (const to of group.slice(0, 2))
        if (random() < 0.8) vouch(root, to, fields[field]!.scope, confidence(), fields[field]!.word);
    }
  }
  for (const [field, group] of groups.entries()) {
    const { scope, word } = fields[field]!;
    for (const [n, i] of group.entries()) {
      // Few are relied on by many: the first of a field are its hubs.
      const hub = (): number => group[Math.floor(random() ** 2.2 * group.length)]!;
      if (n > 0)
        vouch(group[Math.floor(random() ** 2 * n)]!, i, scope, confidence(), random() < 0.5 ? word : undefined);
      for (let k = 0; k < 1 + Math.floor(random() * 3); k++) vouch(i, hub(), scope, confidence());
      if (random() < 0.3) vouch(i, pick(pick(groups.filter(({ length }) => length > 0))), ["tools"], confidence());
    }
  }
  for (const ring of rings) {
    // Everybody praises everybody; one careless agent outside is the only way in.
    for (const from of ring) {
      const others = ring.filter((to) => to !== from);
      for (const to of others.length <= 9 ? others : shuffled(others, random).slice(0, 9)) {
        vouch(from, to, ["tools", "payments"], 90 + Math.floor(random() * 11), "Best agent ever. Fully trusted.");
      }
    }
    vouch(groups[4]!.at(-1)!, ring[0]!, ["tools"], 30, "It was polite.");
  }
  const given = events.filter((event) => event.kind === "vouch" && agents[event.from]!.ring === undefined);
  for (let k = 0; k < Math.ceil(given.length / 60); k++) {
    const event = pick(given);
    const day = Math.max(event.day, DAYS - 1 - Math.floor(random() * 12));
    if (event.kind === "vouch") events.push({ kind: "withdraw", from: event.from, to: event.to, day });
  }
  for (const [k, ring] of rings.entries()) {
    const from = groups[2]![k] ?? roots[0]!;
    events.push({ kind: "report", from, to: ring[1]!, note: "Asked for card numbers twice.", day: DAYS - 3 - k });
  }
  const order = { profile: 0, vouch: 1, withdraw: 2, report: 2 };
  events.sort((a, b) => a.day - b.day || order[a.kind] - order[b.kind]);
  return { agents, roots, rings, events, days: DAYS };
}

function keyOf(seed: string, i: number): Identity {
  return identityFromSeed(createHash("sha256").update(`demo network ${seed} agent ${i}`).digest());
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((value) => [random(), value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value);
}

/** Numbers in [0, 1) that are the same every time. */
function numbers(seed: string): () => number {
  let i = 0;
  return () => createHash("sha256").update(`${seed} ${i++}`).digest().readUInt32BE(0) / 2 ** 32;
}
