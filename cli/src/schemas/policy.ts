import { z } from "zod";
import { code, did, digest, dryRun, time } from "./common.ts";

const list = z.enum(["allow", "deny"]);
const rule = z.object({ list, rule: z.string() });
const written = z.object({
  policy: digest,
  path: z.string(),
  written: z.boolean(),
  dryRun,
  /** The text of the changed file. */
  text: z.string(),
});
const verdict = z.enum(["newly-allowed", "newly-refused", "now-asked", "undecidable"]);

/** What `data` holds in the answers of `peerage policy …`. */
export const policySchemas: Readonly<Record<string, z.ZodType>> = {
  "policy init": z.object({ path: z.string(), template: z.string(), digest, dryRun, text: z.string() }),
  "policy check": z.object({
    path: z.string(),
    digest,
    allow: z.int(),
    deny: z.int(),
    warnings: z.array(z.object({ message: z.string(), line: z.int().optional() })),
    strangers: z.array(
      z.object({ rule: z.string(), kind: z.string(), targets: z.array(z.string()), wants: z.array(z.string()) }),
    ),
    also: z.array(z.string()),
    rules: z.array(
      rule.extend({
        kind: z.string(),
        targets: z.array(z.string()),
        agents: z.array(z.string()),
        asks: z.array(z.string()),
        until: z.string().optional(),
      }),
    ),
  }),
  "policy test": z.object({
    path: z.string(),
    digest,
    passed: z.int(),
    failed: z.int(),
    undecidable: z.int().optional(),
    tests: z.array(
      z.object({
        name: z.string(),
        file: z.string(),
        passed: z.boolean(),
        differs: z.array(z.string()),
        effect: z.enum(["allow", "ask", "deny"]),
        reason: code.optional(),
        rule: z.string().optional(),
      }),
    ),
  }),
  "policy explain": z.object({
    effect: z.enum(["allow", "ask", "deny"]),
    reason: code.optional(),
    rule: z.string().optional(),
    policy: digest,
    method: z.string(),
    target: z.string(),
    rules: z.array(
      rule.extend({
        met: z.boolean(),
        conditions: z.array(
          z.object({ condition: z.string(), holds: z.boolean().optional(), wanted: z.string(), found: z.string() }),
        ),
      }),
    ),
    change: z.object({ rule: z.string(), wanted: z.array(z.string()) }).optional(),
  }),
  "policy diff": z.object({
    before: digest,
    after: digest,
    added: z.array(rule),
    removed: z.array(rule),
    changed: z.array(rule.extend({ keys: z.array(z.string()) })),
    settings: z.array(z.string()),
    counts: z.record(verdict.or(z.literal("same")), z.int()).optional(),
    calls: z.array(z.object({ id: z.string(), verdict })).optional(),
  }),
  "policy grant": written.extend({ agent: did, rule: z.object({ id: z.string(), tools: z.array(z.string()) }) }),
  "policy revoke": written.extend({
    agent: did.optional(),
    removed: z.array(z.string()),
    denied: z.array(z.object({ id: z.string() })),
  }),
  "policy deny-all": z.object({
    denied: z.boolean(),
    until: time.optional(),
    because: z.string().optional(),
    before: z.boolean(),
    marker: z.string(),
    dryRun,
  }),
  "policy suggest": z.object({
    calls: z.int(),
    admitted: z.int(),
    /** Calls that no rule can be for. */
    left: z.int(),
    rules: z.int(),
    digest,
    text: z.string(),
  }),
  "policy input": z.object({ input: z.object({ v: z.literal(1), method: z.string(), target: z.string() }) }),
};
