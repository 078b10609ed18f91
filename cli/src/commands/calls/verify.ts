import { type AuditReport, verifyAudit } from "@peerage/mcp-middleware";
import { checkedDid } from "../../agents.ts";
import type { Context } from "../../context.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count } from "../../ui/time.ts";

const defects: Readonly<Record<NonNullable<AuditReport["defect"]>["kind"], string>> = {
  edited: "its text is not what was recorded",
  missing: "it is gone, and others follow",
  moved: "it stands in another's place",
  truncated: "it is gone, and everything after it",
  rewritten: "the chain holds, but it is not what the guard signed",
  checkpoint: "the signature under the records up to it does not hold",
  outcome: "it is the outcome of no decision before it",
  entry: "a signed entry beside the records does not verify",
  policy: "a policy beside the records is not the one of its digest",
};

/** `peerage calls verify`: the whole audit log against its hash chain and the guard's signatures, offline. Exit 6 names the place. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const path = await findAuditFile(context, options);
  const guard = options["guard"] === undefined ? undefined : checkedDid(String(options["guard"]));
  const report = await verifyAudit(path, { guard });
  const { size, signed, open, defect } = report;
  const { ui } = context;
  const facts: Fact[] = [
    {
      mark: defect ? "no" : "ok",
      label: "chain",
      value: defect
        ? `from record #${defect.seq} on it proves nothing: ${defects[defect.kind]}`
        : `${count(size, "record")}, each over the one before`,
    },
    {
      mark: signed === size ? "ok" : "none",
      label: "signed",
      value:
        signed === size
          ? "all of them, by the guard"
          : `the first ${signed} by the guard; the last ${size - signed} not yet`,
    },
    { label: "guard", value: styledDid(ui, report.guard) },
    {
      mark: open === 0 ? "ok" : "none",
      label: "open",
      value: open === 0 ? "every admitted call has its outcome" : `${count(open, "admitted call")} without an outcome`,
    },
  ];
  return {
    exit: defect ? 6 : 0,
    data: report,
    text: ui.facts(facts),
    plain: [[report.guard, size, signed, open, defect?.seq ?? "", defect?.kind ?? ""]],
  };
}
