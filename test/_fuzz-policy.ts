import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decide,
  explainDecision,
  fromUtf8,
  generateIdentity,
  type JsonObject,
  type JsonValue,
  loadCel,
  parseJson,
  parsePolicy,
  parsePolicyTests,
  type PolicyInput,
} from "@peerage/core";
import { findArgument, parseArgumentPath } from "../core/src/policy/argument-path.ts";
import { nameGlob, pathGlob } from "../core/src/policy/glob.ts";
import { addToGroup, appendRule, removeFromGroup, removeRules } from "../cli/src/policy/yaml-lines.ts";
import { Disagreement, type Target } from "./_fuzz.ts";
import { mutateJson } from "./_fuzz-mutations.ts";
import { policyOf } from "./_guard.ts";

const caller = generateIdentity().did;
const me = generateIdentity().did;
const when = await loadCel();
const engines = { compileWhen: when };
const members = { me: [me], roots: [me] };
const example = (name: string): string => readFileSync(join(import.meta.dirname, "../examples/policy", name), "utf8");
const texts = ["laptop.yaml", "community-server.yaml", "chain-of-custody.yaml", "refunds.yaml"].map(example);
const rich: JsonObject = {
  apiVersion: "peerage.dev/v1",
  kind: "Policy",
  groups: { ops: [caller, "spiffe://prod.example/ns/*/sa/x"] },
  defaults: { scope: "tools", unknown: "deny" },
  deny: [{ id: "no-root", tools: "rm*", agents: "*" }],
  allow: [
    { id: "a", tools: ["echo", "read_*"], agents: "@ops", trust: 0.25, args: { n: { "<=": 5 }, "/s": "x" } },
    { id: "b", tools: "pay", agents: "*", limit: { calls: 5, per: "1h" }, when: 'args.n > 1.0 && caller.did != ""' },
    { id: "c", resources: "file:///srv/**", agents: "*", approval: { by: caller, within: "15m" } },
    { id: "d", tools: "sell", agents: "*", require: [{ step: "fraud_check", by: caller, within: "1h" }] },
  ],
};
const policy = policyOf([
  { id: "a", tools: "echo", agents: "*", trust: 0.25, args: { n: { "<=": 5 } } },
  { id: "b", tools: "pay", agents: "*", require: [{ step: "fraud_check", by: caller }] },
  { id: "c", resources: "file:///srv/**", agents: "*" },
]);
const input: JsonObject = {
  v: 1,
  now: "2026-11-20T12:00:00Z",
  method: "tools/call",
  target: "echo",
  tool: "echo",
  server: me,
  caller: { did: caller, binding: "message" },
  args: { n: 3 },
  trust: { tools: 0.5 },
  trust_age_seconds: 1,
  req: `sha256:${"0".repeat(64)}`,
  history: [],
  held: [],
};

/** Whatever an input is, a decision is made; one that allows is explained as one that allows. */
function decided(value: JsonValue): void {
  const decision = decide(policy, value as unknown as PolicyInput);
  if (typeof decision.effect !== "string") throw new Disagreement("there is no decision");
  const explained = explainDecision(policy, value as unknown as PolicyInput);
  if (explained.decision.effect !== decision.effect) throw new Disagreement("the explanation is of another decision");
}

/** A change of lines gives a text that is read as a policy again, or is not made. */
function edited(text: string): void {
  const change = (after: string | undefined): void => {
    if (after !== undefined) parsePolicy(after, members, engines);
  };
  parsePolicy(text, members, engines);
  change(appendRule(text, "allow", { id: "fuzzed", tools: "x", agents: caller }));
  change(removeRules(text, "deny", [0]));
  change(addToGroup(text, "ops", me));
  change(removeFromGroup(text, "ops", caller));
}

/** The policy language: texts, expressions, patterns, inputs. */
export const policyTargets: readonly Target[] = [
  {
    name: "a policy in YAML",
    samples: texts,
    shapes: ["lines"],
    read: (x) => parsePolicy(fromUtf8(x), members, engines),
    weight: 4,
  },
  {
    name: "a policy in JSON",
    samples: [JSON.stringify(rich)],
    found: [JSON.stringify(rich).replace("args.n > 1.0", String.raw`\"\\u\" == \"x\"`)],
    shapes: ["json"],
    read: (x) => parsePolicy(fromUtf8(x), members, engines),
    forge: (random) => JSON.stringify(mutateJson(rich, random)),
    weight: 3,
  },
  {
    name: "an input of a policy",
    samples: [JSON.stringify(input)],
    shapes: ["json"],
    read: (x) => decided(parseJson(x)),
    forge: (random) => JSON.stringify(mutateJson(input, random)),
    weight: 2,
  },
  {
    name: "a policy that is edited line by line",
    samples: texts.slice(0, 2),
    shapes: ["lines"],
    read: (x) => edited(fromUtf8(x)),
  },
  {
    name: "tests of a policy",
    samples: ["tests:\n  - name: echo is allowed\n    input: { tool: echo }\n    expect: allow\n"],
    shapes: ["lines"],
    read: (x) => parsePolicyTests(fromUtf8(x)),
  },
  {
    name: "an expression (CEL)",
    samples: ['args.n > 1.0 && "x" in args', 'history.exists(e, e.step == "a") || tool.matches("^[a-z]+$")'],
    read: (x) => {
      const run = when(fromUtf8(x));
      try {
        run(input as unknown as PolicyInput);
      } catch (error) {
        // That there is no answer for this call is an answer.
        if (!(error instanceof Error)) throw error;
      }
    },
    found: ['"\\u"'],
    // The engine throws errors of many kinds for what is no expression; a policy is refused with their text.
    documented: (error) => error instanceof Error && !/call stack/.test(error.message),
    weight: 2,
  },
  {
    name: "patterns of names and paths",
    samples: [
      "read_*\nread_file",
      "file:///srv/**/x?\nfile:///srv/a/b/x1",
      "*a*a*a*a*b\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
    shapes: ["lines"],
    read: (x) => {
      const [pattern = "", text = ""] = fromUtf8(x).split("\n");
      const [byName, byPath] = [nameGlob(pattern)(text), pathGlob(pattern)(text)];
      if (!pattern.includes("*") && !/[?[\]{}\\]/.test(pattern) && byName !== (pattern === text)) {
        throw new Disagreement("a pattern without signs fits another text than itself");
      }
      if (byPath !== undefined && typeof byPath !== "boolean") throw new Disagreement("no verdict");
    },
  },
  {
    name: "the path of an argument",
    samples: ["a.b.c", "/a/b~1c/0", "items[0].name"],
    read: (x) => {
      const path = parseArgumentPath(fromUtf8(x));
      if (path) findArgument({ a: { b: [1, { c: null }] }, items: [{ name: "x" }] }, path.segments);
    },
  },
];
