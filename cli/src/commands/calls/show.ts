import { fieldsOf } from "@peerage/core";
import { type AuditedCall, AuditReader, type ShadowAnswer } from "@peerage/mcp-middleware";
import { callNamed } from "../../call-named.ts";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { keptReceipt } from "../../guard/kept-receipt.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { fieldLines } from "../../ui/field-lines.ts";
import type { Fact } from "../../ui/terminal.ts";
import { visible } from "../../ui/visible.ts";
import { callData, plainRow, verdictText } from "./lines.ts";

/** `peerage calls show`: one decision in full, how the call ended, and the receipt that was given for it, verified; exit 6 if it does not hold. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  using reader = new AuditReader(await findAuditFile(context, options));
  const call = callNamed(reader, text);
  if (!call) throw new CliError("ERR_NOT_FOUND", `no recorded call is ${visible(text)}`, { hint: "peerage calls" });
  const { ui } = context;
  const args = call.decision.input?.args;
  const receipt = keptReceipt(reader, call);
  return {
    exit: receipt?.problem === undefined ? 0 : 6,
    data: { ...callData(call), ...(receipt ? { receipt } : {}) },
    text: [
      ...ui.facts([...facts(context, call), ...(receipt ? [receiptFact(receipt)] : lostReceipt(call))]),
      ...(args === undefined
        ? []
        : [
            "",
            `  ${ui.dim(`arguments, ${call.decision.input?.argsAre ?? ""}`)}`,
            ...fieldLines(fieldsOf(args), ui.columns, 4),
          ]),
    ],
    plain: [plainRow(call)],
  };
}

function facts(context: Context, { decision, outcome }: AuditedCall): Fact[] {
  const { ui } = context;
  const { caller, input } = decision;
  const fact = (label: string, value: string | undefined): Fact[] =>
    value === undefined ? [] : [{ label, value: visible(value, 300) }];
  const trust = Object.entries(input?.trust ?? {}).map(([scope, score]) => `${score.toFixed(2)} in ${scope}`);
  return [
    {
      label: "verdict",
      value:
        `${verdictText(context, decision)}  ${[decision.reason, decision.detail && visible(decision.detail, 120)].filter(Boolean).join("  ")}`.trimEnd(),
    },
    ...fact("went on", decision.mode === "shadow" ? "the guard was in a shadow, where nothing is refused" : undefined),
    { label: "at", value: decision.at },
    { label: "id", value: `${decision.id}, record #${decision.seq}` },
    ...(caller
      ? [
          {
            label: caller.unverified === true ? "claims" : "caller",
            value: `${styledDid(ui, caller.did)}${caller.binding === undefined ? "" : `  ${caller.binding}`}`,
          },
        ]
      : []),
    ...(decision.subject === undefined ? [] : [{ label: "on behalf", value: styledDid(ui, decision.subject) }]),
    ...fact("method", decision.method),
    ...fact("target", decision.target),
    ...fact("req", decision.req),
    ...fact("trust", trust.length > 0 ? trust.join(", ") : caller?.score === "unknown" ? "unknown" : undefined),
    ...fact("rule", decision.rule),
    ...fact("policy", decision.policy),
    ...(decision.also ?? []).flatMap(({ adapter, version, allow, reasons }) =>
      fact("also", `${adapter} ${allow ? "allows" : "denies"}: ${[...reasons, version].join("; ")}`),
    ),
    ...fact("shadow", decision.shadow && shadowText(decision.shadow)),
    ...fact("log", decision.view),
    ...fact("run", decision.run),
    ...fact("call", decision.call),
    ...fact("trace", decision.trace),
    ...(decision.evidence ?? []).map((digest) => ({ label: "evidence", value: digest })),
    ...(decision.spent ?? []).map((digest) => ({ label: "used up", value: digest })),
    ...fact("asked", decision.item),
    ...(outcome
      ? [
          {
            label: "outcome",
            value: `${outcome.outcome}${outcome.ms === undefined ? "" : `, ${outcome.ms} ms`}${outcome.sent === false ? ", nothing was sent" : ""}`,
          },
        ]
      : []),
    ...fact("result", outcome?.res),
  ];
}

function receiptFact({ step, result, at, problem }: NonNullable<ReturnType<typeof keptReceipt>>): Fact {
  if (problem !== undefined) return { mark: "no", label: "receipt", value: visible(problem, 300) };
  const what = visible(`${step} / ${result}`, 80);
  return { mark: "ok", label: "receipt", value: `${what}, signed by the guard at ${at} (--json shows the token)` };
}

/** Its record names a receipt that is kept no more: whoever got it can show that it is the one. */
function lostReceipt({ outcome }: AuditedCall): Fact[] {
  if (outcome?.receipt === undefined) return [];
  return [
    { mark: "none", label: "receipt", value: `${visible(outcome.receipt, 100)} was issued, and is not kept any more` },
  ];
}

function shadowText({ policy, effect, rule, reason }: ShadowAnswer): string {
  return [effect, rule, reason, policy].filter(Boolean).join("  ");
}
