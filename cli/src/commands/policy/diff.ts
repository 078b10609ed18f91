import { readFile } from "node:fs/promises";
import {
  diffPolicies,
  isJsonObject,
  type JsonValue,
  parseJson,
  type PolicyInput,
  type RecordedCall,
  replayCalls,
  type ReplayReport,
} from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { codeOf } from "../../files/safe-file.ts";
import type { Result } from "../../output.ts";
import { recordedCalls } from "../../policy/recorded.ts";
import { policyAt } from "../../policy/revision.ts";
import { loadPolicy } from "../../policy/source.ts";
import type { Args } from "../../tree.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

const SHOWN = 20;

/**
 * `peerage policy diff`: what differs between two policies, and which recorded calls would end otherwise. Exit 3 if more
 * are newly allowed than `--max-newly-allowed` says.
 */
export async function run(context: Context, { words: [old = "", next = ""], options }: Args): Promise<Result> {
  const max = maximum(options["maxNewlyAllowed"]);
  const after = await loadPolicy(context, next);
  const before = await policyAt(context, old, next);
  const diff = diffPolicies(before, after);
  const calls = await callsOf(context, options, max !== undefined);
  const report =
    calls &&
    replayCalls(
      before,
      after,
      calls.map(({ call }) => call),
    );
  const tooMany =
    max !== undefined &&
    report !== undefined &&
    (report.counts["newly-allowed"] > max || report.counts.undecidable > 0);
  const { ui } = context;
  const same = diff.before === diff.after;
  const facts: Fact[] = [
    {
      mark: same ? "ok" : "none",
      label: same ? "same" : "differs",
      value: same
        ? "both say the same, whatever their layout"
        : `${diff.before.slice(0, 19)}${ui.mark.ellipsis} ${ui.mark.arrow} ${diff.after.slice(0, 19)}${ui.mark.ellipsis}`,
    },
    ...diff.added.map(({ list, rule }): Fact => ({
      mark: list === "allow" ? "warn" : "ok",
      label: "added",
      value: `${list} ${visible(rule)}`,
    })),
    ...diff.removed.map(({ list, rule }): Fact => ({
      mark: list === "deny" ? "warn" : "ok",
      label: "removed",
      value: `${list} ${visible(rule)}`,
    })),
    ...diff.changed.map(({ list, rule, keys }): Fact => ({
      mark: "warn",
      label: "changed",
      value: `${list} ${visible(rule)}: ${keys.join(", ")}`,
    })),
    ...(diff.settings.length > 0 ? [{ mark: "warn" as const, label: "changed", value: diff.settings.join(", ") }] : []),
    ...(report ? replayFacts(context, report, calls) : []),
  ];
  if (tooMany)
    facts.push({ mark: "no", label: "limit", value: `at most ${max} may be newly allowed, and none undecidable` });
  return {
    exit: tooMany ? 3 : 0,
    data: {
      ...diff,
      ...(report
        ? {
            counts: report.counts,
            calls: report.calls.map(({ index, verdict }) => ({ id: calls[index]?.id ?? "", verdict })),
          }
        : {}),
    },
    text: ui.facts(facts),
    plain: [
      ...diff.added.map(({ list, rule }) => ["added", list, rule]),
      ...diff.removed.map(({ list, rule }) => ["removed", list, rule]),
      ...diff.changed.map(({ list, rule, keys }) => ["changed", list, rule, keys.join(",")]),
      ...Object.entries(report?.counts ?? {}).map(([verdict, n]) => [verdict, n]),
    ],
  };
}

interface Call {
  readonly id: string;
  readonly call: RecordedCall;
}

function replayFacts({ ui }: Context, { counts, calls }: ReplayReport, given: readonly Call[]): Fact[] {
  const words = [
    ["same", "ok"],
    ["newly-allowed", "warn"],
    ["newly-refused", "warn"],
    ["now-asked", "warn"],
    ["undecidable", "none"],
  ] as const;
  const facts: Fact[] = words.flatMap(([verdict, mark]) =>
    counts[verdict] === 0 ? [] : [{ mark, label: verdict.replace("-", " "), value: count(counts[verdict], "call") }],
  );
  for (const { index, verdict } of calls.slice(0, SHOWN)) {
    const { input } = given[index]?.call ?? {};
    const what = `${visible(input?.target ?? "", 60)} at ${input?.now ?? ""}  ${given[index]?.id ?? ""}`;
    facts.push({ label: ui.dim(verdict.replace("-", " ")), value: what });
  }
  return facts;
}

/** Recorded calls: of `--calls`, an audit log or lines of inputs; else of this machine's guard, if one has recorded. */
async function callsOf(context: Context, options: Options, needed: boolean): Promise<readonly Call[] | undefined> {
  const given = options["calls"];
  if (typeof given === "string") {
    const head = await readFile(given).catch((error: unknown) => {
      const why =
        codeOf(error) === "ENOENT"
          ? `there is no file ${visible(given, 200)}`
          : `${visible(given, 200)} cannot be read (${codeOf(error) ?? "unknown"})`;
      throw new CliError("ERR_NOT_FOUND", why);
    });
    if (head.subarray(0, 15).toString("latin1") !== "SQLite format 3") return lines(given, head);
    return fromLog(given);
  }
  const path = await findAuditFile(context, options).catch((error: unknown) => {
    if (needed || !(error instanceof CliError)) throw error;
    return undefined;
  });
  return path === undefined ? undefined : fromLog(path);
}

function fromLog(path: string): readonly Call[] {
  using reader = new AuditReader(path);
  return [...recordedCalls(reader)];
}

function lines(path: string, bytes: Buffer): readonly Call[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, index) => {
      let value: JsonValue;
      try {
        value = parseJson(line);
      } catch {
        value = null;
      }
      if (!isJsonObject(value) || value["v"] !== 1)
        throw usage(`${visible(path, 200)}, line ${index + 1}: no policy input`);
      const args = value["args"] === undefined ? "digest" : "full";
      return { id: `line ${index + 1}`, call: { input: value as unknown as PolicyInput, args } };
    });
}

function maximum(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^\d{1,6}$/.test(value)) throw usage("--max-newly-allowed is a whole number");
  return Number(value);
}
