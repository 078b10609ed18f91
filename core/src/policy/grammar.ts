import { z } from "zod";
import { dimensions, targetKinds, type PolicyDocument, type TargetKind } from "./document.ts";
import {
  argumentPath,
  dayOrLess,
  duration,
  ifKnown,
  name,
  names,
  oneOrMore,
  paths,
  principals,
  readonlyNames,
  scope,
  spiffes,
  tests,
  text,
  time,
  word,
} from "./terms.ts";

// The grammar of docs/policy.md. The JSON Schema that editors read is generated from it, hence a description on every key.

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
const unknown = z.enum(["deny", "ask-human", "allow-readonly"], { error: "`deny`, `ask-human` or `allow-readonly`" });

const words = oneOrMore(word, "a word such as passed, or a list of them");
const count = z.int().min(1).max(16);
const need = z.strictObject({
  step: word.describe("The step of the entry."),
  by: z
    .union([z.literal("$caller"), principals], { error: '"$caller", or principals' })
    .describe('Who signed it: principals, or `"$caller"` for the caller itself.'),
  result: words
    .exactOptional()
    .describe("How it ended; by default `approved` or `passed`. Another result stands against."),
  within: duration.exactOptional().describe("How old it may be; by default any age."),
  binds: z
    .enum(["run", "tool", "request"], { error: "`run`, `tool` or `request`" })
    .exactOptional()
    .describe("What it must speak of: this `run` (default), the called `tool`, or this very `request`."),
  count: count.exactOptional().describe("So many different signers; 1 by default."),
  after: words.exactOptional().describe("Steps of other requirements of this rule that it must build on."),
  once: z.boolean().exactOptional().describe("True: an entry counts for one call only."),
  self: z.boolean().exactOptional().describe("True: an entry that the caller signed counts too."),
  at: z.literal("start", { error: "only `start`" }).exactOptional().describe("`start`: the entry that begins the run."),
  tool: names.exactOptional().describe("The tool that the entry names."),
  sub: tests.exactOptional().describe("Tests of the entry's facts; one that fails makes the entry stand against."),
});
const approval = z.strictObject({
  by: principals.describe("Who may approve."),
  within: duration.exactOptional().describe("How old the approval may be; 30m by default."),
  timeout: dayOrLess
    .exactOptional()
    .describe("How long to wait for an answer, and how long a denial stands; 10m by default, 24h at most."),
  count: count.exactOptional().describe("So many different people; 1 by default."),
  after: words.exactOptional().describe("Steps of this rule's requirements that it must build on."),
  self: z.boolean().exactOptional().describe("True: the caller may approve its own request."),
});

const dimension = z.enum(dimensions, { error: '"all", "agent", "tool", "run" or a list of the last three' });
const of = z
  .union([z.literal("all"), dimension, z.array(dimension).min(1)], {
    error: '"all", "agent", "tool", "run" or a list of the last three',
  })
  .exactOptional()
  .describe("Who shares the counter: each agent (default), each tool, each run, a combination, or `all` together.");
const counter = name
  .exactOptional()
  .describe("A shared name shares one counter between rules; by default the rule's id.");
const amount = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const limit = z.strictObject({
  calls: z.int().min(1).max(1_000_000_000).describe("How many calls are allowed."),
  per: duration.describe("In which time: a bucket of `calls` refills evenly over it."),
  of,
  name: counter,
});
const budget = z
  .strictObject({
    max: amount.describe("The most that one window may sum up to."),
    per: duration.describe("The length of a window; windows are aligned to 1970-01-01T00:00:00Z."),
    sum: argumentPath.exactOptional().describe("The argument that is summed: a whole number, not negative."),
    cost: amount.exactOptional().describe("What each call costs."),
    of,
    name: counter,
  })
  .refine((all) => (all.sum === undefined) !== (all.cost === undefined), ifKnown("exactly one of `sum` and `cost`"))
  .meta({ oneOf: [{ required: ["sum"] }, { required: ["cost"] }] });
const several = <T extends z.ZodType>(item: T, error: string): z.ZodUnion<[T, z.ZodArray<T>]> =>
  z.union([item, z.array(item).min(1).max(16)], { error });

const when = z
  .string()
  .min(1, "an empty expression; leave `when` out")
  .max(1024, "an expression has at most 1,024 characters");

const common = {
  id: name.exactOptional().describe("The rule's name in decisions, receipts and counters."),
  tools: names.exactOptional().describe("Tools by name: * is any run of characters."),
  prompts: names.exactOptional().describe("Prompts by name: * is any run of characters."),
  resources: paths.exactOptional().describe("Resources by URI, to read and subscribe: * stops at /, ** does not."),
  methods: names.exactOptional().describe("All other MCP methods by name: * is any run of characters."),
  spiffe: spiffes.exactOptional().describe("The caller's SPIFFE ID, bound to the DID that signed the call."),
  args: tests.exactOptional().describe("Conditions on arguments; all must hold."),
  from: time.exactOptional().describe("The rule is in force from this time on."),
  until: time.exactOptional().describe("The rule is in force before this time."),
  because: text.exactOptional().describe("The reason, for people."),
  when: when.exactOptional().describe("One CEL expression over the input; it must be true."),
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
    agents: principals.exactOptional().describe("Whom it admits, by verified identity; with `spiffe` both must hold."),
    binding: z
      .enum(["connection", "head", "body", "message"], { error: "`connection`, `head`, `body` or `message`" })
      .exactOptional()
      .describe("How firmly the caller's key is tied to the call; `message` is the default and the strongest."),
    trust: trust.exactOptional().describe("The score the caller needs from this guard's own roots."),
    unknown: unknown
      .exactOptional()
      .describe("What happens to callers without a score; by default `defaults.unknown`."),
    closed: z.boolean().exactOptional().describe("True: an argument that `args` does not name refuses."),
    require: z
      .array(need)
      .min(1, "an empty list requires nothing; remove the key")
      .max(32)
      .exactOptional()
      .describe("What the presented history must prove."),
    custody: z
      .enum(["caller", "any"], { error: "`caller` or `any`" })
      .exactOptional()
      .describe("Who may present the history: an agent that has custody of the run (default), or `any`."),
    signers: principals
      .exactOptional()
      .describe("Every presented entry but this guard's own is signed by one of these."),
    approval: approval.exactOptional().describe("A person must approve this very request."),
    limit: several(limit, "{calls, per, of, name} or a list of them")
      .exactOptional()
      .describe("How often; a call over it is refused and no later rule is tried."),
    budget: several(budget, "{max, per, sum or cost, of, name} or a list of them")
      .exactOptional()
      .describe("How much; a call over it is refused and no later rule is tried."),
    audit: z.literal("durable").exactOptional().describe("`durable`: the decision is on disk before the call goes on."),
  })
  .refine(hasOneTarget, ifKnown(oneTarget))
  .refine(
    (rule) => rule.agents !== undefined || rule.spiffe !== undefined,
    ifKnown('`agents` is missing; a rule says whom it admits, by `agents` (`"*"` for any verified agent) or `spiffe`'),
  )
  .meta({ ...oneTargetSchema, anyOf: [{ required: ["agents"] }, { required: ["spiffe"] }] });

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
      approvers: principals
        .exactOptional()
        .describe("Who is asked by `ask-human` where the rule has no `approval` of its own."),
      maxTrustAge: duration.exactOptional().describe("How old trust data may be; `24h` if left out."),
    })
    .exactOptional()
    .describe("Used where a rule says nothing."),
  readonly: readonlyNames
    .exactOptional()
    .describe("The tools that only read, in this operator's judgement; see `allow-readonly`."),
  deny: z.array(denyRule).exactOptional().describe("Any rule here that is met refuses the call, whatever is allowed."),
  allow: z.array(allowRule).describe("One rule here must be met in full; `[]` denies everything."),
  also: z
    .array(name)
    .min(1, "an empty list asks nobody; remove the key")
    .max(8)
    .exactOptional()
    .describe("Adapters that must allow as well; they can only narrow."),
});
