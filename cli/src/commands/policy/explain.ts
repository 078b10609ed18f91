import { completeInput, explainDecision, type PolicyInput, replayCalls } from "@peerage/core";
import type { Policy, RecordedCall } from "@peerage/core";
import type { Context, Options } from "../../context.ts";
import { CliError, type Exit } from "../../errors.ts";
import type { Result } from "../../output.ts";
import { decisionLine, explainedLines, type PolicyExplanation } from "../../policy/explained.ts";
import { inputFile } from "../../policy/input-file.ts";
import { namesCall, recall } from "../../policy/recorded.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import type { Args } from "../../tree.ts";

/**
 * `peerage policy explain`: every rule and condition over one call, and the smallest change that would admit it. Exit 3 if
 * it is denied, 8 if a person would be asked.
 */
export async function run(context: Context, { words: [word = ""], options }: Args): Promise<Result> {
  const { policy, input, spent } = namesCall(word)
    ? await recordedCall(context, word, options)
    : { policy: await named(context, options), input: completeInput(await inputFile(word)), spent: [] };
  const used = new Set<string>(spent);
  const explanation = asked(explainDecision(policy, input, { spent: (one) => used.has(one) }));
  const { decision, rules, change } = explanation;
  const exit: Exit = decision.effect === "allow" ? 0 : decision.effect === "ask" ? 8 : 3;
  const { ui } = context;
  return {
    exit,
    data: {
      effect: decision.effect,
      ...("reason" in decision ? { reason: decision.reason } : {}),
      ...(decision.rule === undefined ? {} : { rule: decision.rule }),
      policy: policy.digest,
      method: input.method,
      target: input.target,
      rules,
      ...(change === undefined ? {} : { change }),
    },
    text: [decisionLine(ui, decision), ...alsoLines(policy, decision), ...explainedLines(ui, explanation)],
    plain: rules.flatMap(({ list, rule, conditions }) =>
      conditions.map(({ condition, path = "", holds, wanted, found }) => [
        list,
        rule,
        condition,
        path,
        holds === undefined ? "unknown" : holds ? "yes" : "no",
        wanted,
        found,
      ]),
    ),
  };
}

/** Adapters are asked by the guard only, and after the rules. */
function alsoLines({ document: { also = [] } }: Policy, { effect }: PolicyExplanation["decision"]): string[] {
  return effect === "allow" && also.length > 0 ? [`     and then ${also.join(", ")} must allow as well`] : [];
}

/** Where a person is asked, the change is their yes, whatever another rule lacks. */
function asked(explanation: PolicyExplanation): PolicyExplanation {
  const { decision, rules } = explanation;
  const asking = rules.find(
    ({ rule, list }) => decision.effect === "ask" && list === "allow" && rule === decision.rule,
  );
  if (!asking) return explanation;
  const wanted = asking.conditions.flatMap(({ holds, wanted: text }) => (holds === true ? [] : [text]));
  return { ...explanation, change: { rule: asking.rule, wanted } };
}

function named(context: Context, options: Options): Promise<Policy> {
  return policyPath(context, options["policy"]).then((path) => loadPolicy(context, path));
}

/** A recorded call under the policy of `--policy`, else under the one that decided it. What was not recorded is never guessed. */
async function recordedCall(
  context: Context,
  word: string,
  options: Options,
): Promise<{ policy: Policy; input: PolicyInput; spent: RecordedCall["spent"] }> {
  const { call, recorded, policy: kept } = await recall(context, word, options);
  const policy =
    typeof options["policy"] === "string" ? await named(context, options) : (kept ?? (await named(context, options)));
  if (recorded && replayCalls(policy, policy, [recorded]).counts.undecidable === 0) {
    return { policy, input: recorded.input, spent: recorded.spent };
  }
  const { verdict, reason } = call.decision;
  const what = `it was ${verdict}${reason === undefined ? "" : ` (${reason})`}`;
  throw recorded
    ? new CliError("ERR_NOT_FOUND", `${what}; its rules read arguments, of which only the digest was recorded`, {
        hint: "peerage guard --audit-args redacted records what rules read",
      })
    : new CliError("ERR_NOT_FOUND", `${what}, before any rule was asked`, { hint: `peerage calls show ${word}` });
}
