import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Did, fieldsOf } from "@peerage/core";
import { archivePath, type AuditReport, verifyAudit, verifyDisclosure, verifyExport } from "@peerage/mcp-middleware";
import { checkedDid } from "../../agents.ts";
import type { Context } from "../../context.ts";
import { CliError, describeError } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { codeOf } from "../../files/safe-file.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { fieldLines } from "../../ui/field-lines.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

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

/**
 * `peerage calls verify`, `peerage audit verify [file]`: a whole audit log, its archives included, or an export of one,
 * against its hash chain and the guard's signatures, offline. Exit 6 names the place.
 */
export async function run(context: Context, { words: [file], options }: Args): Promise<Result> {
  const guard = options["guard"] === undefined ? undefined : checkedDid(String(options["guard"]));
  const path = file === undefined ? await findAuditFile(context, options) : resolve(context.io.cwd, file);
  if (file !== undefined) {
    const disclosed = await disclosure(context, path, guard);
    if (disclosed) return disclosed;
  }
  const { report, archives } = await verified(path, guard);
  const { size, signed, open: running, defect } = report;
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
    ...(report.from === 0 ? [] : [archivedFact(report.from, archives)]),
    {
      mark: running === 0 ? "ok" : "none",
      label: "open",
      value:
        running === 0 ? "every admitted call has its outcome" : `${count(running, "admitted call")} without an outcome`,
    },
  ];
  return {
    exit: defect ? 6 : 0,
    data: { ...report, archives },
    text: ui.facts(facts),
    plain: [[report.guard, size, signed, running, defect?.seq ?? "", defect?.kind ?? ""]],
  };
}

/** One call that was proven on its own; undefined for another kind of file. */
async function disclosure(context: Context, path: string, guard: Did | undefined): Promise<Result | undefined> {
  if (await isDatabase(path)) return undefined;
  const text = await textOf(path);
  if (!text.startsWith('{"kind":"disclosure"')) return undefined;
  const { ui } = context;
  try {
    const found = await verifyDisclosure(text, { guard });
    const [decision] = found.records;
    const what =
      decision?.kind === "decision" ? `${decision.verdict} ${visible(decision.target ?? decision.method, 80)}` : "";
    return {
      data: found,
      text: [
        ...ui.facts([
          { mark: "ok", label: "signed", value: `record #${decision?.seq ?? 0} of ${found.size}, by the guard` },
          { label: "guard", value: styledDid(ui, found.guard) },
          { label: "call", value: `${what} at ${decision?.at ?? ""}` },
        ]),
        ...fieldLines(fieldsOf(found.opened), ui.columns, 4),
      ],
      plain: [[found.guard, decision?.seq ?? "", found.size]],
    };
  } catch (error) {
    const { code, message } = describeError(error);
    return {
      exit: 6,
      data: { error: { code, message } },
      text: ui.facts([{ mark: "no", label: "call", value: visible(message, 300) }]),
      plain: [[code, message]],
    };
  }
}

interface Verified {
  readonly report: AuditReport;
  /** Archives that were verified, from the first record on without a gap. */
  readonly archives: number;
}

/** A log or an export; of a log that was rotated its archives first, each where the one before ends. */
async function verified(path: string, guard: Did | undefined): Promise<Verified> {
  if (!(await isDatabase(path))) {
    const {
      records: _,
      entries: _entries,
      policies: _policies,
      ...report
    } = await verifyExport(await textOf(path), { guard });
    return { report, archives: 0 };
  }
  const log = await verifyAudit(path, { guard });
  let [at, archives] = [0, 0];
  while (at < log.from) {
    const archive = archivePath(path, at);
    if (!existsSync(archive)) break;
    const {
      records: _,
      entries: _entries,
      policies: _policies,
      ...report
    } = await verifyExport(await textOf(archive), { guard: log.guard });
    const isWhole =
      report.defect === undefined && report.from === at && report.size > at && report.signed === report.size;
    if (!isWhole)
      return {
        report: {
          ...log,
          signed: Math.min(log.signed, report.signed),
          defect: report.defect ?? { seq: at, kind: "missing" },
        },
        archives,
      };
    at = report.size;
    archives++;
  }
  return { report: log, archives: at === log.from ? archives : 0 };
}

function archivedFact(from: number, archives: number): Fact {
  return archives > 0
    ? {
        mark: "ok",
        label: "archives",
        value: `${count(archives, "file")} with all ${from} records before, verified too`,
      }
    : {
        mark: "warn",
        label: "archives",
        value: `the ${from} records before #${from} are not all here; the guard signed that they were`,
      };
}

async function isDatabase(path: string): Promise<boolean> {
  const head = Buffer.alloc(15);
  try {
    await using file = await open(path);
    await file.read(head, 0, 15, 0);
  } catch (error) {
    throw new CliError("ERR_NOT_FOUND", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
  return head.toString("latin1") === "SQLite format 3";
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, "utf8");
}
