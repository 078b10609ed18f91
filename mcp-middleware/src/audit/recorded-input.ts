import {
  type Budget,
  type CallerDocument,
  describeEntry,
  type Digest,
  type Entry,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type PolicyDocument,
  type PolicyInput,
  setMember,
} from "@peerage/core";
import type { RecordedArguments } from "./audit-log.ts";
import type { DecisionBody, RecordedInput, RecordedSpiffe } from "./record.ts";

/** What of an input goes into a record: all that the record does not say anyway, with as much of the arguments as wanted. */
export function recordInput(input: PolicyInput, args: RecordedArguments, paths: readonly string[]): RecordedInput {
  const { trust, trust_age_seconds: age, in_custody: inCustody, history = [], held = [] } = input;
  const signers = [...history, ...held].flatMap(({ digest, spiffe }) =>
    spiffe === undefined ? [] : [[digest, spiffe]],
  );
  return {
    trust,
    ...(age === undefined ? {} : { trustAgeSeconds: age }),
    ...(inCustody === undefined ? {} : { inCustody }),
    ...(input.caller?.vouches === undefined ? {} : { vouches: input.caller.vouches }),
    ...(history.length === 0 ? {} : { history: history.map(({ digest }) => digest) }),
    ...(held.length === 0 ? {} : { held: held.map(({ digest }) => digest) }),
    ...(signers.length === 0 ? {} : { signers: Object.fromEntries(signers) as Record<string, string> }),
    ...(args === "full" ? { args: input.args ?? {}, argsAre: args } : {}),
    ...(args === "redacted" ? { args: redact(input.args ?? {}, paths), argsAre: args } : {}),
  };
}

/**
 * The input that a recorded decision was made on, with as much of its arguments as was recorded. Undefined where it
 * cannot be known: nothing was asked of the policy, or an entry is not kept any more.
 */
export function recordedInput(
  decision: DecisionBody,
  server: string,
  entry: (digest: Digest) => Entry | undefined,
): PolicyInput | undefined {
  const { input, method, target, caller, req, run, at } = decision;
  if (!input || !caller?.binding) return undefined;
  const documents = [input.history ?? [], input.held ?? []].map((digests) => digests.map((digest) => entry(digest)));
  const [history = [], held = []] = documents;
  const isKnown = (known: Entry | undefined): known is Entry => known !== undefined;
  if (!history.every(isKnown) || !held.every(isKnown)) return undefined;
  return {
    v: 1,
    now: at,
    method,
    target: target ?? method,
    ...(method === "tools/call" && target !== undefined ? { tool: target } : {}),
    server,
    calling_agent: caller.did,
    caller: {
      did: caller.did,
      binding: caller.binding,
      scheme: "peerage-call",
      ...spiffeMembers(caller.spiffe),
      ...(input.vouches === undefined ? {} : { vouches: input.vouches }),
    },
    ...(input.args === undefined ? {} : { args: input.args }),
    ...(req === undefined ? {} : { req }),
    trust: input.trust,
    ...(input.trustAgeSeconds === undefined ? {} : { trust_age_seconds: input.trustAgeSeconds }),
    ...(run === undefined ? {} : { run }),
    ...(input.inCustody === undefined ? {} : { in_custody: input.inCustody }),
    history: history.map((one, seq) => ({ seq, ...describeEntry(one, run, input.signers?.[one.digest]) })),
    held: held.map((one) => describeEntry(one, run, input.signers?.[one.digest])),
  };
}

function spiffeMembers(
  recorded: RecordedSpiffe | undefined,
): Pick<CallerDocument, "spiffe" | "spiffe_proof" | "spiffe_unbound"> {
  if (!recorded) return {};
  const { id, proof, beside } = recorded;
  if (proof === undefined) return { spiffe_unbound: id };
  return { spiffe: id, spiffe_proof: proof, ...(beside === undefined ? {} : { spiffe_unbound: beside }) };
}

/** The argument paths that some rule of a policy reads. */
export function namedArguments(document: PolicyDocument): readonly string[] {
  const paths = new Set<string>();
  for (const rule of [...(document.deny ?? []), ...document.allow]) {
    for (const path of Object.keys(rule.args ?? {})) paths.add(path);
    const budget = "budget" in rule ? (rule.budget ?? []) : [];
    const budgets = (Array.isArray(budget) ? budget : [budget]) as readonly Budget[];
    for (const { sum } of budgets) if (sum !== undefined) paths.add(sum);
  }
  return [...paths].sort();
}

/** The members of arguments that these paths name, and no others. */
export function redact(args: JsonValue, paths: readonly string[]): JsonValue {
  const kept: Record<string, JsonValue> = {};
  for (const path of paths) {
    const names = path.replace(/\[\]$/, "");
    copy(args, kept, names.startsWith("/") ? names.slice(1).split("/").map(unescape) : names.split("."));
  }
  return kept;
}

function copy(from: JsonValue | undefined, to: Record<string, JsonValue>, [name, ...rest]: readonly string[]): void {
  if (name === undefined || !isJsonObject(from) || !Object.hasOwn(from, name)) return;
  const value = from[name] as JsonValue;
  if (rest.length === 0) {
    setMember(to, name, value);
    return;
  }
  const known: JsonValue | undefined = Object.hasOwn(to, name) ? to[name] : undefined;
  const inner: Record<string, JsonValue> = isJsonObject(known) ? { ...known } : {};
  copy(value, inner, rest);
  setMember(to, name, inner satisfies JsonObject);
}

function unescape(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
