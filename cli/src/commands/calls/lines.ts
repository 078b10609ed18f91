import type { AuditedCall, AuditRecord, DecisionBody, OutcomeBody } from "@peerage/mcp-middleware";
import type { Context } from "../../context.ts";
import type { Terminal } from "../../ui/terminal.ts";
import { visible } from "../../ui/visible.ts";
import type { Labels } from "../../viewpoint.ts";

/** A call as `--json` gives it: the record of its decision, and how it ended. */
export function callData({ decision, outcome }: AuditedCall): object {
  return { ...decision, ...(outcome === undefined ? {} : { outcome: { ...outcome, kind: undefined, id: undefined } }) };
}

/** A call in a line: when, what was decided, who, what, why. */
export async function callRow(context: Context, call: AuditedCall, labels: Labels): Promise<string[]> {
  return (await callCells(context, call, labels))(context.ui);
}

/** {@link callRow} for any terminal: who called is looked up once. */
export async function callCells(
  { io }: Context,
  { decision, outcome }: AuditedCall,
  labels: Labels,
): Promise<(ui: Terminal) => string[]> {
  const who = await callerText(decision, labels);
  const at = clock(decision.at, io.now());
  return (ui) => [
    ui.dim(at),
    verdictText({ ui }, decision),
    who,
    visible(decision.target ?? decision.method, ui.columns < 100 ? 16 : 26),
    ui.dim(`#${decision.seq}`),
    whyText(decision, outcome),
  ];
}

/** A row of `--plain`. */
export function plainRow({ decision, outcome }: AuditedCall): (string | number)[] {
  const { seq, at, verdict, caller, method, target = "", reason = "" } = decision;
  return [seq, at, verdict, caller?.did ?? "", method, target, reason, outcome?.outcome ?? ""];
}

/** A record that is no decision, in a line; undefined for what a list of calls does not show. */
export function eventRow(
  ui: Terminal,
  record: Exclude<AuditRecord, { kind: "decision" }>,
  now: Date,
): string[] | undefined {
  const start = [ui.dim(clock(record.at, now))];
  switch (record.kind) {
    case "outcome":
      return undefined;
    case "start":
      return [...start, `${ui.good(ui.mark.on)} start`, "", "", ui.dim(`#${record.seq}`), "a guard began to record"];
    case "approval":
      return [
        ...start,
        `${ui.warn(ui.mark.wait)} person`,
        "",
        "",
        ui.dim(`#${record.seq}`),
        `${record.event} ${record.req.slice(7, 15)}`,
      ];
    case "suppressed":
      return [
        ...start,
        `${ui.bad(ui.mark.no)} refuse`,
        "",
        "",
        ui.dim(`#${record.seq}`),
        `${record.messages} more, not recorded one by one`,
      ];
  }
}

/** The verdict with its mark. */
export function verdictText(
  { ui }: Pick<Context, "ui">,
  { verdict, mode }: Pick<DecisionBody, "verdict" | "mode">,
): string {
  // It went on: the guard was to refuse nothing.
  if (mode === "shadow" && verdict !== "admitted") return ui.warn(`${ui.mark.warn} shadow`);
  if (verdict === "admitted") return ui.good(`${ui.mark.ok} admit`);
  return verdict === "asked" ? ui.warn(`${ui.mark.wait} wait`) : ui.bad(`${ui.mark.no} refuse`);
}

async function callerText({ caller }: DecisionBody, labels: Labels): Promise<string> {
  if (!caller) return "unsigned";
  return caller.unverified === true ? "unverified" : labels.of(caller.did);
}

function whyText({ verdict, mode, reason, detail, caller }: DecisionBody, outcome: OutcomeBody | undefined): string {
  const refusal = `${reason ?? ""}${detail === undefined ? "" : ` ${visible(detail, 60)}`}`;
  if (verdict === "refused" && mode !== "shadow") return refusal;
  const score = typeof caller?.score === "number" ? caller.score.toFixed(2) : "";
  const ms = outcome?.ms === undefined ? "" : ` ${outcome.ms}\u00a0ms`;
  const ended = outcome === undefined ? "" : `${outcome.outcome}${ms}`;
  return [verdict === "refused" ? refusal : score, ended].filter(Boolean).join("  ");
}

/** The time of day; of another day the whole time. All in UTC. */
function clock(at: string, now: Date): string {
  const day = now.toISOString().slice(0, 10);
  return at.startsWith(day) ? at.slice(11, 19) : at.slice(0, 19).replace("T", " ");
}
