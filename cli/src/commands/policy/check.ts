import { formatProblem, type PolicyAdapter } from "@peerage/core";
import type { Context } from "../../context.ts";
import type { Result } from "../../output.ts";
import { adaptersOf } from "../../policy/adapters.ts";
import { type RuleLine, ruleLinesOf } from "../../policy/rule-lines.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import { strangerRules } from "../../policy/strangers.ts";
import type { Args } from "../../tree.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage policy check`: loads a policy as a guard would; its warnings, its digest, and what a stranger could do. */
export async function run(context: Context, { words: [word], options }: Args): Promise<Result> {
  const path = await policyPath(context, word);
  const { digest, document, warnings } = await loadPolicy(context, path);
  const { also = [] } = document;
  const lines = ruleLinesOf(document);
  const loaded = await adaptersOf(context, options).load(["also", ...also].join(" "));
  const strangers = strangerRules(document);
  const { ui } = context;
  const rules = `${count(document.allow.length, "allow rule")}, ${count(document.deny?.length ?? 0, "deny rule")}`;
  const facts: Fact[] = [
    { mark: "ok", label: "policy", value: `${visible(path, 200)}, ${rules}` },
    { label: "digest", value: digest },
    ...warnings.map((problem) => ({
      mark: "warn" as const,
      label: "warning",
      value: visible(formatProblem(problem), 400),
    })),
    ...strangers.map(({ rule, kind, targets, wants }) => ({
      mark: "warn" as const,
      label: "strangers",
      value: visible([`${kind} ${targets.join(", ")} (${rule})`, ...wants].join("; "), 400),
    })),
    ...also.map((name) => adapterFact(name, loaded[name])),
    ...(context.globals.verbose === true ? lines.map(ruleFact) : []),
  ];
  if (strangers.length === 0) facts.push({ mark: "ok", label: "strangers", value: "can do nothing" });
  return {
    data: {
      path,
      digest,
      allow: document.allow.length,
      deny: document.deny?.length ?? 0,
      warnings,
      strangers,
      also,
      rules: lines,
    },
    text: ui.facts(facts),
    plain: [[path, digest, warnings.length, strangers.length]],
  };
}

function adapterFact(name: string, adapter: PolicyAdapter | undefined): Fact {
  if (adapter)
    return { mark: "ok", label: "also", value: `${name} must allow as well: ${visible(adapter.version, 200)}` };
  return { label: "also", value: `${name} must allow as well, which a guard is told by --also ${name}=…` };
}

function ruleFact({ list, rule, kind, targets, agents, asks, until }: RuleLine): Fact {
  const parts = [
    `${rule}: ${kind} ${targets.join(", ")} by ${agents.join(", ")}`,
    ...(asks.length > 0 ? [`asks for ${asks.join(", ")}`] : []),
    ...(until === undefined ? [] : [`until ${until}`]),
  ];
  return { label: list, value: visible(parts.join("; "), 400) };
}
