import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { decide, parsePolicy, type PolicyInput, type SuggestedRule, suggestPolicy } from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { codeOf } from "../../files/safe-file.ts";
import type { Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import { ruleLines } from "../../policy/yaml-lines.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/**
 * `peerage policy suggest`: the narrowest policy, by agents and targets, that the recorded calls of a time would need.
 * A person reads it before a guard does.
 */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const seconds = durationSeconds(options["since"] ?? "1d", "--since");
  const out = typeof options["out"] === "string" ? options["out"] : undefined;
  const since = new Date(context.io.now().getTime() - seconds * 1000);
  const inputs = await inputsSince(context, options, since);
  const { document, rules, left } = suggestPolicy(inputs);
  const text = textOf(rules, since);
  const policy = parsePolicy(text);
  if (policy.digest !== parsePolicy(JSON.stringify(document)).digest)
    throw new TypeError("the text says something else");
  // Names with what a path pattern does not judge stay refused whatever a rule says.
  const admitted = inputs.filter((input) => decide(policy, input).effect === "allow").length;
  if (out !== undefined) await create(resolve(context.io.cwd, out), text);
  const { ui } = context;
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => visible(line, 400));
  return {
    data: { calls: inputs.length, admitted, left, rules: rules.length, digest: policy.digest, text },
    text:
      out === undefined
        ? lines
        : ui.facts([
            { mark: "ok", label: "wrote", value: `${visible(out, 200)}, ${count(rules.length, "rule")}` },
            {
              mark: admitted === inputs.length ? "ok" : "warn",
              label: "admits",
              value: `${admitted} of ${count(inputs.length, "recorded call")}; ask for trust, arguments and approvals yourself`,
            },
          ]),
    plain: rules.map(({ rule, calls }) => [rule.id ?? "", calls]),
  };
}

/** Of the calls about which rules were asked. What was refused before that, such as a bad proof, no policy admits. */
async function inputsSince(context: Context, options: Options, since: Date): Promise<PolicyInput[]> {
  using reader = new AuditReader(await findAuditFile(context, options));
  const inputs: PolicyInput[] = [];
  for (const { decision } of reader.calls({ since })) {
    // Admitted without a rule: what needs none.
    if (decision.verdict === "admitted" && decision.rule === undefined) continue;
    const recorded = reader.recorded(decision);
    if (recorded) inputs.push(recorded.input);
  }
  return inputs;
}

function textOf(rules: readonly SuggestedRule[], since: Date): string {
  const head = [
    `# What the calls since ${since.toISOString().slice(0, 19)}Z would need: who used what.`,
    "# A call that was made is not yet one that should be allowed: read it first, and",
    "# ask for trust, arguments and approvals where it matters.",
    "apiVersion: peerage.dev/v1",
    "kind: Policy",
    "",
  ];
  const body = rules.flatMap(({ rule, calls }) => [
    `  # ${count(calls, "call")}`,
    ...ruleLines(rule, "  ").map(escapeHidden),
  ]);
  return `${[...head, ...(rules.length === 0 ? ["allow: []"] : ["allow:", ...body])].join("\n")}\n`;
}

/** Names come from callers: what an editor would hide or turn around is written as its number. */
function escapeHidden(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

async function create(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: "wx", mode: 0o644 });
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw usage(`${visible(path, 200)} is there already and is never overwritten`);
    throw error;
  }
}
