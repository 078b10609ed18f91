import { decide, type Decision, type Policy, type RecordedCall, replayCalls } from "@peerage/core";
import { type AuditedCall, AuditReader, type DecisionBody } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import { keptPolicy, recall } from "../../policy/recorded.ts";
import { loadPolicy, prepareEngines } from "../../policy/source.ts";
import type { Args } from "../../tree.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `same`: decided again it comes out as recorded. `undecidable`: something that was decided on was not recorded. */
type Verdict = "same" | "differs" | "undecidable";

interface Replayed {
  readonly call: AuditedCall;
  readonly verdict: Verdict;
  readonly decision?: Decision;
}

const SHOWN = 20;

/**
 * `peerage calls replay`: decides recorded calls again, on what was recorded, by the policy that ruled then or by
 * `--policy`, and compares. Exit 3 if one comes out otherwise.
 */
export async function run(context: Context, { words: [word], options }: Args): Promise<Result> {
  await prepareEngines();
  const given = typeof options["policy"] === "string" ? await loadPolicy(context, options["policy"]) : undefined;
  const replayed = word === undefined ? await all(context, options, given) : [await one(context, word, options, given)];
  const counts = { same: 0, differs: 0, undecidable: 0 };
  for (const { verdict } of replayed) counts[verdict]++;
  const notSame = replayed.filter(({ verdict }) => verdict === "differs");
  const { ui } = context;
  const facts: Fact[] = [
    { mark: "ok", label: "same", value: count(counts.same, "call") },
    ...(counts.differs > 0 ? [{ mark: "no" as const, label: "differs", value: count(counts.differs, "call") }] : []),
    ...(counts.undecidable > 0
      ? [
          {
            mark: "none" as const,
            label: "undecidable",
            value: `${count(counts.undecidable, "call")}, of which too little was recorded`,
          },
        ]
      : []),
    ...notSame.slice(0, SHOWN).map(({ call, decision }) => ({
      label: `#${call.decision.seq}`,
      value: `${visible(call.decision.target ?? call.decision.method, 60)}: ${call.decision.verdict}, now ${decision ? wordOf(decision) : ""}`,
    })),
  ];
  return {
    exit: counts.differs > 0 ? 3 : 0,
    data: {
      counts,
      calls: replayed.map(({ call, verdict, decision }) => ({
        seq: call.decision.seq,
        id: call.decision.id,
        verdict,
        recorded: call.decision.verdict,
        ...(decision ? { effect: decision.effect } : {}),
      })),
    },
    text: ui.facts(facts),
    plain: replayed.map(({ call, verdict, decision }) => [
      call.decision.seq,
      verdict,
      call.decision.verdict,
      decision?.effect ?? "",
    ]),
  };
}

async function one(context: Context, word: string, options: Options, given: Policy | undefined): Promise<Replayed> {
  const { call, recorded, policy } = await recall(context, word, options);
  return replay(call, recorded, given ?? policy);
}

async function all(context: Context, options: Options, given: Policy | undefined): Promise<readonly Replayed[]> {
  const { since } = options;
  if (since !== undefined && typeof since !== "string") throw usage("--since is how long ago", "--since 1h");
  const from =
    since === undefined ? undefined : new Date(context.io.now().getTime() - durationSeconds(since, "--since") * 1000);
  using reader = new AuditReader(await findAuditFile(context, options));
  const policies = new Map<string, Policy | undefined>();
  const ruling = (call: AuditedCall): Policy | undefined => {
    const { policy } = call.decision;
    if (!policies.has(policy)) policies.set(policy, keptPolicy(reader, call));
    return policies.get(policy);
  };
  const replayed: Replayed[] = [];
  for (const call of reader.calls(from ? { since: from } : {})) {
    // What was refused before any rule was asked says nothing of a policy.
    if (!call.decision.input || !isPolicys(call.decision)) continue;
    replayed.push(replay(call, reader.recorded(call.decision), given ?? ruling(call)));
  }
  return replayed.reverse();
}

function replay(call: AuditedCall, recorded: RecordedCall | undefined, policy: Policy | undefined): Replayed {
  const wanted = wantedEffects(call.decision);
  if (!recorded || !policy || !wanted || replayCalls(policy, policy, [recorded]).counts.undecidable > 0)
    return { call, verdict: "undecidable" };
  const used = new Set<string>(recorded.spent);
  const decision = decide(policy, recorded.input, { spent: (digest) => used.has(digest) });
  return { call, decision, verdict: wanted.includes(decision.effect) ? "same" : "differs" };
}

/** True if a rule was asked: whatever needs none, and what a limit or a full disk refused, is no decision of a policy's. */
function isPolicys({ step, rule, verdict }: DecisionBody): boolean {
  return verdict === "refused" ? step === "policy" || step === "approval" : rule !== undefined || verdict === "asked";
}

/** What the policy must have said for a call to end as recorded; undefined if more than rules had a word in it. */
function wantedEffects(decision: DecisionBody): readonly Decision["effect"][] | undefined {
  const { verdict, step, reason } = decision;
  if (verdict === "admitted") return ["allow"];
  if (verdict === "asked") return ["ask"];
  // Limits and budgets are counted beside the rules, and a person may have answered while the call waited.
  if (reason === "ERR_RATE_LIMITED") return ["allow", "ask"];
  if (step === "approval") return ["ask", "deny"];
  return "adapters" in decision ? undefined : ["deny"];
}

function wordOf(decision: Decision): string {
  return decision.effect === "deny" ? decision.reason : decision.effect;
}
