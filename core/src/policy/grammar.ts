import { z } from "zod";
import { parseDid } from "../did/did-key.ts";
import { parseArgumentPath } from "./argument-path.ts";
import { targetKinds, type PolicyDocument, type TargetKind } from "./document.ts";
import { parseTime } from "./time.ts";

// The grammar of docs/policy.md. The JSON Schema that editors read is generated from it, hence a description on every key.

/** A name of a rule, group or limit. */
const nameForm = /^[a-z][a-z0-9-]{0,63}$/;
const durationForm = /^[1-9][0-9]{0,5}[smhd]$/;
const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;

const name = z
  .string()
  .regex(nameForm, "a name is a-z, 0-9 and -, begins with a letter, and has at most 64 characters");
const scope = z
  .string()
  .regex(nameForm, "a scope is a-z, 0-9 and -, begins with a letter, and has at most 64 characters");
const duration = z.string().regex(durationForm, "a duration is a whole number and s, m, h or d, such as 30s or 24h");
const time = z
  .string()
  .regex(timeForm, "a time is RFC 3339 in UTC, such as 2026-11-20T00:00:00Z")
  .refine((text) => parseTime(text) !== undefined, "this time does not exist");
const text = z.string().max(500, "at most 500 characters");

function oneOrMore<T extends z.ZodType>(item: T, error: string, least = 1): z.ZodUnion<[T, z.ZodArray<T>]> {
  return z.union([item, z.array(item).min(least, "an empty list matches nothing; remove the key")], { error });
}

/** So that an unknown key is reported by itself and not also by what its absence causes. */
function ifKnown(error: string): { error: string; when: (payload: { issues: readonly unknown[] }) => boolean } {
  return { error, when: ({ issues }) => issues.length === 0 };
}

const glob = z.string().min(1, "a pattern cannot be empty").max(1024, "a pattern has at most 1,024 characters");
const path = glob.regex(/^(?!.*\*\*\*)/s, "three stars in a row; ** already crosses every /");
const names = oneOrMore(glob, "a name pattern or a list of them, in quotes if it begins with *");
const readonlyNames = oneOrMore(glob, "a name pattern or a list of them", 0);
const paths = oneOrMore(path, "a path pattern or a list of them, in quotes if it begins with *");

const principal = z
  .string()
  .regex(
    /^(?:\*|@[a-z][a-z0-9-]{0,63}|did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44})$/,
    'a did:key, "*", "@me", "@roots" or "@group"',
  )
  .refine((word) => !word.startsWith("did:") || isDid(word), "this DID's key is not acceptable");
// May be empty: `@me` of a machine without identities.
const principals = oneOrMore(principal, 'a DID, "*", "@me", "@roots" or "@group", or a list of them', 0);

const threshold = z
  .number({ error: "a trust threshold is a number above 0 and at most 1" })
  .gt(0, "a trust threshold is above 0; to admit strangers leave `trust` out")
  .lte(1, "a trust threshold is at most 1");
const trust = z.union(
  [
    threshold,
    z.strictObject({
      min: threshold.describe("The least score from this guard's roots, above 0 and at most 1."),
      scope: scope.exactOptional().describe("The scope the score is computed in; by default `defaults.scope`."),
      maxAge: duration.exactOptional().describe("How old the data may be; by default `defaults.maxTrustAge`."),
    }),
  ],
  { error: "a number above 0 and at most 1, or {min, scope, maxAge}" },
);
const unknown = z.enum(["deny", "allow-readonly"], { error: "`deny` or `allow-readonly`" });

const value = z.union([z.string(), z.number(), z.boolean()], {
  error: "text, a number, true or false; for an argument that must not be there write {absent: true}",
});
const values = z.array(value).min(1, "an empty list matches nothing");
const operators = z
  .strictObject({
    "==": value.exactOptional().describe("Equal to this value, of the same type."),
    "!=": value.exactOptional().describe("Of the same type and not equal to this value."),
    in: values.exactOptional().describe("Equal to one of these values."),
    notIn: values.exactOptional().describe("Of the type of one of these values and equal to none."),
    "<": z.number().exactOptional().describe("A number below this one."),
    "<=": z.number().exactOptional().describe("A number not above this one."),
    ">": z.number().exactOptional().describe("A number above this one."),
    ">=": z.number().exactOptional().describe("A number not below this one."),
    like: paths.exactOptional().describe("Text that matches one of these path patterns: * stops at /, ** does not."),
    notLike: paths.exactOptional().describe("Text that matches none of these path patterns."),
    maxLength: z.int().min(0).exactOptional().describe("Text of at most this many code points."),
    absent: z.literal(true).exactOptional().describe("The argument is not there."),
  })
  .refine((all) => Object.keys(all).length > 0, ifKnown("no operator; a test without one would always hold"))
  .refine(
    (all) => all.absent === undefined || Object.keys(all).length === 1,
    ifKnown("an absent argument meets no other operator"),
  );
const test = z.union([value, values, operators], {
  error: 'a value, a list of values, operators such as {">": 0, "<": 100}, or {absent: true}',
});
const argumentPath = z
  .string()
  .refine(
    (key) => parseArgumentPath(key) !== undefined,
    "an argument path is a.b.c or a JSON Pointer /a/b, [] at its end only",
  );
const args = z
  .record(argumentPath, test)
  .refine((all) => Object.keys(all).length > 0, "no argument is named; leave `args` out or name one");

const dimension = z.enum(["agent", "tool"], { error: '"all", "agent", "tool" or a list of the last two' });
const limitOf = z.union([z.literal("all"), dimension, z.array(dimension).min(1)], {
  error: '"all", "agent", "tool" or a list of the last two',
});
const limit = z.strictObject({
  calls: z.int().min(1).max(1_000_000_000).describe("How many calls are allowed."),
  per: duration.describe("In which time: a bucket of `calls` refills evenly over it."),
  of: limitOf
    .exactOptional()
    .describe("Who shares the bucket: each agent (default), each tool, both, or `all` together."),
  name: name.exactOptional().describe("A shared name shares one bucket between rules; by default the rule's id."),
});
const limits = z.union([limit, z.array(limit).min(1).max(16)], { error: "{calls, per, of, name} or a list of them" });

const targets = {
  tools: names.exactOptional().describe("Tools by name: * is any run of characters."),
  prompts: names.exactOptional().describe("Prompts by name: * is any run of characters."),
  resources: paths.exactOptional().describe("Resources by URI, to read and subscribe: * stops at /, ** does not."),
  methods: names.exactOptional().describe("All other MCP methods by name: * is any run of characters."),
};
const common = {
  id: name.exactOptional().describe("The rule's name in decisions, receipts and counters."),
  ...targets,
  args: args.exactOptional().describe("Conditions on arguments; all must hold."),
  from: time.exactOptional().describe("The rule is in force from this time on."),
  until: time.exactOptional().describe("The rule is in force before this time."),
  because: text.exactOptional().describe("The reason, for people."),
};

function hasOneTarget(rule: Partial<Record<TargetKind, unknown>>): boolean {
  return targetKinds.filter((kind) => rule[kind] !== undefined).length === 1;
}
const oneTarget = "a rule has exactly one of tools, prompts, resources, methods";
/** The same in JSON Schema, which cannot see the refinement. */
const oneTargetSchema = { oneOf: targetKinds.map((kind) => ({ required: [kind] })) };

const denyRule = z
  .strictObject({ ...common, agents: principals.exactOptional().describe("Whom it refuses; by default everyone.") })
  .refine(hasOneTarget, ifKnown(oneTarget))
  .meta(oneTargetSchema);

const allowRule = z
  .strictObject({
    ...common,
    agents: principals.describe("Whom it admits, by verified identity."),
    binding: z
      .literal("message", { error: "only `message` in this version: a proof over the very message" })
      .exactOptional()
      .describe("How firmly the caller's key is tied to the call; `message` is the default and the strongest."),
    trust: trust.exactOptional().describe("The score the caller needs from this guard's own roots."),
    unknown: unknown
      .exactOptional()
      .describe("What happens to callers without a score; by default `defaults.unknown`."),
    closed: z.boolean().exactOptional().describe("True: an argument that `args` does not name refuses."),
    limit: limits.exactOptional().describe("How often; a call over it is refused and no later rule is tried."),
    audit: z.literal("durable").exactOptional().describe("`durable`: the decision is on disk before the call goes on."),
  })
  .refine(hasOneTarget, ifKnown(oneTarget))
  .meta(oneTargetSchema);

/** The policy document as the zod schema that is its grammar. Unknown keys are refused everywhere. */
export const policySchema: z.ZodType<PolicyDocument> = z.strictObject({
  apiVersion: z
    .literal("peerage.dev/v1", { error: "write `apiVersion: peerage.dev/v1`" })
    .describe("The language's version."),
  kind: z.literal("Policy", { error: "write `kind: Policy`" }).describe("Always `Policy`."),
  metadata: z
    .strictObject({
      name: text.describe("A name for people."),
      version: text.exactOptional().describe("A version for people; receipts carry the digest instead."),
    })
    .exactOptional()
    .describe("For people only; changes no decision."),
  open: z.boolean().exactOptional().describe("True: the policy means to let any verified agent do everything."),
  groups: z
    .record(name, principals)
    .exactOptional()
    .describe("Named lists of principals, used as @name; a group holds no other group."),
  defaults: z
    .strictObject({
      scope: scope.exactOptional().describe("The scope of trust conditions; `tools` if left out."),
      unknown: unknown.exactOptional().describe("What happens to callers without a score; `deny` if left out."),
      maxTrustAge: duration.exactOptional().describe("How old trust data may be; `24h` if left out."),
    })
    .exactOptional()
    .describe("Used where a rule says nothing."),
  readonly: readonlyNames
    .exactOptional()
    .describe("The tools that only read, in this operator's judgement; see `allow-readonly`."),
  deny: z.array(denyRule).exactOptional().describe("Any rule here that is met refuses the call, whatever is allowed."),
  allow: z.array(allowRule).describe("One rule here must be met in full; `[]` denies everything."),
});

function isDid(word: string): boolean {
  try {
    parseDid(word);
    return true;
  } catch {
    return false;
  }
}
