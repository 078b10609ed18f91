import { Ancestry } from "../../history/ancestry.ts";
import type { EntryDocument } from "../../history/describe.ts";
import { isJsonObject, member, setMember, type JsonValue } from "../../json/types.ts";
import { SKEW_SECONDS } from "../../time.ts";
import { kindOf, type PolicyInput } from "../input.ts";
import { parseTime } from "../time.ts";

/**
 * The types that every call is shown in; a schema for Cedar adds an `action` for each tool, with the tool's arguments:
 * `action "payments.refund" appliesTo { principal: Agent, resource: Server, context: { call: Call, args: {…} } };`
 */
export const CEDAR_TYPES = `
type Fact = { by: Set<Agent>, result: String, at: datetime, bound: Bool };
entity Agent = { binding: String, spiffe?: String } tags decimal;
entity Server, Prompt, Resource, Method;
entity Call = {
  now: datetime, method: String, target: String, in_custody: Bool,
  req?: String, run?: String, trust_age_seconds?: Long
} tags Fact;
`;

/** Who, what and whereof, as Cedar is asked. */
export interface CedarRequest {
  readonly principal: CedarName;
  readonly action: CedarName;
  readonly resource: CedarName;
  readonly context: Record<string, CedarValue>;
  readonly entities: CedarEntity[];
}
interface CedarName {
  readonly type: string;
  readonly id: string;
}
interface CedarEntity {
  uid: CedarName;
  attrs: Record<string, CedarValue>;
  parents: CedarName[];
  tags?: Record<string, CedarValue>;
}
type CedarValue = boolean | number | string | CedarValue[] | { [name: string]: CedarValue };

/**
 * Shows a call to Cedar, which has no fractions, no null and no "some entry of the history": trust scores become decimals,
 * rounded down, and the history one fact a step, tags of the call.
 * @throws {Error} for a call that cannot be shown as it is: null or a fraction in its arguments, a member that Cedar would
 *   read as an entity, entries of one step that contradict each other
 */
export function cedarRequest(input: PolicyInput): CedarRequest {
  const { caller, server, method, target, now } = input;
  const id = caller?.did ?? caller?.spiffe;
  if (caller === undefined || id === undefined) throw new Error("nobody is verified");
  const kind = kindOf(method);
  const principal = { type: "Agent", id };
  const call = { type: "Call", id: "this" };
  return {
    principal,
    action: { type: "Action", id: kind === "tools" ? target : method },
    resource: kind === "tools" ? { type: "Server", id: server } : { type: resourceTypes[kind], id: target },
    context: { call: { __entity: { ...call } }, args: convert(input.args ?? {}) },
    entities: [
      {
        uid: principal,
        attrs: { binding: caller.binding, ...(caller.spiffe !== undefined && { spiffe: caller.spiffe }) },
        parents: [],
        tags: mapValues(input.trust, (score) => extension("decimal", decimal(score))),
      },
      {
        uid: call,
        attrs: {
          now: extension("datetime", now),
          method,
          target,
          in_custody: input.in_custody === true,
          ...(input.req !== undefined && { req: input.req }),
          ...(input.run !== undefined && { run: input.run }),
          ...(input.trust_age_seconds !== undefined && { trust_age_seconds: Math.ceil(input.trust_age_seconds) }),
        },
        parents: [],
        tags: facts(input),
      },
    ],
  };
}

const resourceTypes = { prompts: "Prompt", resources: "Resource", methods: "Method" } as const;
/** Members by which JSON names entities and extension values for Cedar: a caller could pass itself off as another. */
const escapes = new Set(["__entity", "__extn", "__expr"]);

function convert(value: JsonValue): CedarValue {
  if (typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Error("Cedar has no fractions");
    return value;
  }
  if (value === null) throw new Error("Cedar has no null");
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(convert);
  if (!isJsonObject(value)) throw new Error("no JSON");
  const escape = Object.keys(value).find((name) => escapes.has(name));
  if (escape !== undefined) throw new Error(`an argument is called ${escape}`);
  return mapValues(value, convert);
}

function mapValues<T>(from: Readonly<Record<string, T>>, make: (value: T) => CedarValue): Record<string, CedarValue> {
  const to: Record<string, CedarValue> = {};
  for (const [name, value] of Object.entries(from)) setMember(to, name, make(value));
  return to;
}

function extension(fn: string, arg: string): CedarValue {
  return { __extn: { fn, arg } };
}

/** Four places, never rounded up. */
function decimal(score: number): string {
  // 0.57 × 10,000 is a little less than 5,700.
  return (Math.floor(score * 10_000 + 1e-6) / 10_000).toFixed(4);
}

/**
 * One fact a step: its latest entry, which every other of that step is an ancestor of; of parallel ones the signers of
 * all, the oldest time, and `bound` if all are. One that ran out, or is dated ahead, has the result `expired`.
 */
function facts(input: PolicyInput): Record<string, CedarValue> {
  const entries = [...(input.history ?? []), ...(input.held ?? []).filter((one) => speaksHere(one, input))];
  const ancestry = new Ancestry(entries);
  const steps: Record<string, CedarValue> = {};
  for (const step of new Set(entries.map((one) => one.step))) {
    const places = entries.flatMap((one, place) => (one.step === step ? [place] : []));
    const latest = places.filter((place) => !places.some((other) => ancestry.descends(other, place)));
    const tips = latest.map((place) => entries[place]).filter((one) => one !== undefined);
    setMember(steps, step, factOf(step, tips, input));
  }
  return steps;
}

function factOf(step: string, tips: readonly EntryDocument[], input: PolicyInput): CedarValue {
  const results = new Set(tips.map((one) => (isCurrent(one, input.now) ? one.result : "expired")));
  const [result, ...others] = results;
  if (result === undefined || others.length > 0) throw new Error(`entries of ${step} contradict each other`);
  const oldest = tips.map((one) => one.timestamp).reduce((a, b) => (timeOf(a) <= timeOf(b) ? a : b));
  return {
    by: tips.map(({ agent }) => ({ __entity: { type: "Agent", id: agent } })),
    result,
    at: extension("datetime", oldest),
    bound: tips.every((one) => isBound(one, input)),
  };
}

/** An entry of another run speaks of this call if it names the request, or stands against every request. */
function speaksHere({ run, req, result }: EntryDocument, input: PolicyInput): boolean {
  if (run === undefined || req === input.req) return true;
  return req === undefined && result !== "approved" && result !== "passed";
}

function isBound({ req, aud, sub }: EntryDocument, { req: asked, server, caller }: PolicyInput): boolean {
  return req !== undefined && req === asked && aud === server && member(sub, "caller") === caller?.did;
}

function isCurrent({ timestamp, expires }: EntryDocument, now: string): boolean {
  const at = timeOf(now);
  return timeOf(timestamp) <= at + SKEW_SECONDS * 1000 && (expires === undefined || at < timeOf(expires));
}

function timeOf(text: string): number {
  const at = parseTime(text);
  if (at === undefined) throw new Error("no time");
  return at;
}
