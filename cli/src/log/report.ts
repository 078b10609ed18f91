import {
  httpObserver,
  type LogObserver,
  type Observation,
  type TlogPolicy,
  toHex,
  type WatchReport,
} from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { type Exit, exitOf } from "../errors.ts";
import { lastSeen } from "../network.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** Those whose view is compared: what this user saw before, witnesses, mirrors. */
export async function observersOf(
  context: Context,
  options: Options,
  about: { readonly url: string; readonly origin: string; readonly policy: TlogPolicy | undefined },
): Promise<LogObserver[]> {
  const before = await lastSeen(context, about.url);
  const witnesses = [
    ...((options["witness"] as string[] | undefined) ?? []),
    ...(about.policy?.witnesses.flatMap(({ url }) => url ?? []) ?? []),
  ];
  const mirrors = (options["mirror"] as string[] | undefined) ?? [];
  return [
    ...(before === undefined ? [] : [{ name: "you, before", newest: () => Promise.resolve(before) }]),
    ...witnesses.map((url) => httpObserver(url, about.origin, { name: `witness ${url}` })),
    ...mirrors.map((url) => httpObserver(`${url.replace(/\/+$/, "")}/mirror`, about.origin, { name: `mirror ${url}` })),
  ];
}

/** 6 if the log contradicted itself, 3 if what it shows is too old or behind what others saw, 0 if nothing is wrong. */
export function exitOfReport(report: WatchReport, maxAge: number): Exit {
  const statuses = report.observations.map(({ status }) => status);
  if (report.evidence.length > 0 || statuses.includes("forked") || statuses.includes("contradicts")) return 6;
  if (report.error) return exitOf(report.error.code);
  return report.ageSeconds > maxAge || statuses.includes("ahead") ? 3 : 0;
}

/** A report as `--json` gives it. */
export function reportData(url: string, report: WatchReport, kept: readonly string[]): object {
  const { origin, size, root, time, ageSeconds, witnessed, rejected, observations, evidence, error } = report;
  return {
    registry: url,
    origin,
    size,
    root: toHex(root),
    time: rfc3339(time),
    ageSeconds: Math.round(ageSeconds),
    witnessed,
    rejected,
    observations,
    evidence,
    kept,
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
  };
}

/** The same for people. */
export function reportFacts(report: WatchReport, kept: readonly string[], maxAge: number): Fact[] {
  const { size, root, time, ageSeconds, witnessed, rejected, observations, evidence, error } = report;
  const isOld = ageSeconds > maxAge;
  return [
    { mark: error ? "no" : "ok", label: "log", value: visible(report.origin, 200) },
    ...(error ? [{ mark: "no" as const, label: error.code, value: visible(error.message, 300) }] : []),
    { mark: "ok", label: "entries", value: `${size} leaves hash to the signed root, and so do the tiles` },
    rejected.length === 0
      ? { mark: "ok", label: "verified", value: "every statement, by its form, keys and signatures" }
      : {
          mark: "warn",
          label: "verified",
          value: `${count(rejected.length, "statement")} not, and counting for nothing: ${rejected
            .slice(0, 8)
            .map(({ index, code }) => `#${index} ${code}`)
            .join(", ")}`,
        },
    { label: "root", value: toHex(root) },
    {
      mark: isOld ? "no" : "ok",
      label: "time",
      value: `${rfc3339(time)}, ${span(ageSeconds)} ago${isOld ? ": too old" : ""}, ${witnessed ? "witnessed" : "by the operator's own clock (unwitnessed)"}`,
    },
    ...observations.map(observationFact),
    ...evidence.map(() => ({
      mark: "no" as const,
      label: "fork",
      value: "the log signed two heads that contradict each other",
    })),
    ...kept.map((path) => ({ label: "evidence", value: visible(path, 400) })),
  ];
}

const words: Readonly<Record<Observation["status"], readonly [Fact["mark"], string]>> = {
  consistent: ["ok", "sees the same log"],
  ahead: ["no", "has seen more than the log shows here"],
  none: ["none", "has seen nothing of this log"],
  unreachable: ["warn", "cannot be reached"],
  invalid: ["warn", "shows a head that the log did not sign"],
  forked: ["no", "was shown another log"],
  contradicts: ["no", "was shown another log, and what would prove it is withheld"],
};

function observationFact({ name, status, size }: Observation): Fact {
  const [mark, text] = words[status];
  return {
    mark,
    label: "compared",
    value: `${visible(name, 120)} ${text}${size === undefined ? "" : `, ${size} entries`}`,
  };
}
