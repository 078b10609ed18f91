import { parseCheckpoint, parseSignedNote } from "@peerage/core";
import type { ConsolePage } from "../ask.ts";
import type { Ledger } from "../ledger.ts";
import { present } from "../live.ts";
import { h, type Node } from "../node.ts";
import { agent, firstGuard, moment } from "../rows.ts";
import type { GuardAudit } from "../source.ts";
import { facts } from "./call.ts";

const SHOWN_CHECKPOINTS = 5;

interface LogData {
  readonly name: string;
  readonly guardName?: string;
  readonly report: GuardAudit;
  /** When the first and the newest record were written. */
  readonly since?: string;
  readonly until?: string;
  /** The newest checkpoints, newest first. */
  readonly checkpoints: readonly { readonly size: number; readonly root: string }[];
  readonly abandoned: number;
  readonly suppressed: number;
}

export interface AuditData {
  readonly logs: readonly LogData[];
}

/** Whether the logs are what their guards wrote: chain, places and signatures, checked for this page. */
export const audit: ConsolePage<AuditData> = {
  async load({ ledgers, nameOf }) {
    const logs: LogData[] = [];
    for (const ledger of ledgers) logs.push(await logData(ledger, nameOf));
    return { logs };
  },
  title: () => "Audit",
  view: ({ logs }) => [
    h(
      "div",
      { class: "head" },
      h("h1", {}, "Audit"),
      h(
        "p",
        { class: "muted" },
        "Each record of a guard’s log carries the hash of the one before, and the guard signs the whole from time to time. What was changed, cut or put back is found here and by ",
        h("code", {}, "peerage calls verify"),
        ", which needs no console.",
      ),
    ),
    ...(logs.length === 0
      ? [h("p", { class: "panel muted" }, "No guard has recorded anything yet. ", ...firstGuard)]
      : logs.map(logPanel)),
  ],
  text: ({ logs }) =>
    logs
      .map(({ name, report: { size, signed, defect } }) => {
        const verdict = defect ? `broken at record ${defect.seq}: ${defects[defect.kind] ?? defect.kind}` : "unbroken";
        return `${name}  ${verdict}, ${size} records, ${signed} signed\n`;
      })
      .join(""),
};

async function logData(
  { name, source, rows, suppressed, next }: Ledger,
  nameOf: (did: GuardAudit["guard"]) => string | undefined,
): Promise<LogData> {
  const report = await source.verify();
  const [first] = source.records(0);
  const [last] = next > 0 ? source.records(next - 1) : [];
  const checkpoints = source.checkpoints().slice(-SHOWN_CHECKPOINTS).reverse();
  return {
    name,
    ...present("guardName", nameOf(report.guard)),
    report,
    ...present("since", first?.at),
    ...present("until", last?.at),
    checkpoints: checkpoints.flatMap((note) => {
      try {
        const { size, root } = parseCheckpoint(parseSignedNote(note).text);
        return [{ size, root: Buffer.from(root).toString("hex") }];
      } catch {
        return []; // the report says that it does not verify
      }
    }),
    abandoned: rows.filter(({ outcome }) => outcome === "abandoned").length,
    suppressed,
  };
}

const defects: Readonly<Record<string, string>> = {
  edited: "its text is not what was recorded",
  missing: "it is gone, and others follow",
  moved: "it stands in another’s place",
  truncated: "it is gone, and everything after it",
  rewritten: "the chain holds, but it is not what the guard signed",
  checkpoint: "the signature under the records up to it does not hold",
  outcome: "it is the outcome of no decision before it",
};

function logPanel(log: LogData): Node {
  const { name, guardName, report, since, until, checkpoints, abandoned, suppressed } = log;
  const { size, signed, open, defect, guard } = report;
  const lines: readonly (readonly [verdict: "holds" | "fails" | "open", name: string, text: string])[] = [
    defect
      ? ["fails", "chain", `from record ${defect.seq} on it proves nothing: ${defects[defect.kind] ?? defect.kind}`]
      : ["holds", "chain", `${size} records, each over the one before`],
    signed === size
      ? ["holds", "signed", "all of them, by the guard"]
      : [
          "open",
          "signed",
          signed === 0
            ? "not yet: the guard signs every minute, and every 256 records"
            : `the first ${signed} by the guard; the last ${size - signed} not yet`,
        ],
    open === 0
      ? ["holds", "outcomes", "every admitted call has its outcome"]
      : ["open", "outcomes", `${open} admitted ${open === 1 ? "call" : "calls"} without an outcome`],
  ];
  const id = `log-${name.replace(/[^A-Za-z0-9_-]/g, "-")}`;
  return h(
    "section",
    { class: "panel", "aria-labelledby": id },
    h("h2", { id }, h("bdi", {}, name)),
    h(
      "p",
      { class: `summary ${defect ? "fails" : "holds"}` },
      defect
        ? `✕ Broken at record ${defect.seq}: ${defects[defect.kind] ?? defect.kind}`
        : ["✓ Unbroken", ...(since === undefined ? [] : [" since ", moment(since)])],
    ),
    h(
      "ul",
      { class: "checks" },
      lines.map(([kind, label, text]) => {
        const [sign, word] = { holds: ["✓", "holds"], fails: ["✕", "does not hold"], open: ["–", "not yet"] }[kind] as [
          string,
          string,
        ];
        return h(
          "li",
          { class: kind, "data-check": label },
          h("span", { class: "sign", role: "img", "aria-label": word }, sign),
          h("b", {}, label),
          h("span", {}, text),
        );
      }),
    ),
    facts([
      ["guard", agent({ did: guard, ...present("name", guardName) })],
      ["last record", until === undefined ? undefined : moment(until)],
      ["abandoned", abandoned === 0 ? undefined : `${abandoned} calls whose guard ended before an answer came`],
      ["floods", suppressed === 0 ? undefined : `${suppressed} messages counted, not recorded one by one`],
    ]),
    ...(checkpoints.length === 0
      ? []
      : [
          h(
            "details",
            {},
            h("summary", {}, "Newest checkpoints"),
            h(
              "table",
              {},
              h("thead", {}, h("tr", {}, h("th", { class: "num" }, "Records"), h("th", {}, "Root"))),
              h(
                "tbody",
                {},
                checkpoints.map(({ size: n, root }) =>
                  h("tr", {}, h("td", { class: "num" }, String(n)), h("td", {}, h("code", {}, root))),
                ),
              ),
            ),
            h(
              "p",
              { class: "muted small" },
              "Keep one elsewhere: it finds out a log that was put back together with its checkpoints.",
            ),
          ),
        ]),
  );
}
