import { LogForkedError, LogWatcher, type WatchReport } from "@peerage/core";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context, Options } from "../context.ts";
import { describeError, type Exit } from "../errors.ts";
import { everySeconds } from "../log/every.ts";
import { keepEvidence } from "../log/evidence.ts";
import { exitOfReport, observersOf, reportData, reportFacts } from "../log/report.ts";
import { quorumOf, readTlogPolicy } from "../log/tlog-policy.ts";
import { connect, keepSeen, maxAgeSeconds } from "../network.ts";
import { envelope, type Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { Progress } from "../ui/progress.ts";
import type { Terminal } from "../ui/terminal.ts";
import { count, rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { watching } from "../ui/watching.ts";

/** `peerage log audit`: every checkpoint, leaf, tile, signature and rule from entry 0 on, and what others saw. */
export async function audit(context: Context, { options }: Args): Promise<Result> {
  const maxAge = maxAgeSeconds(options["maxAge"]);
  const { url, watching } = await prepare(context, options);
  const progress = new Progress(context, "reading the log");
  const watcher = new LogWatcher({ ...watching, onProgress: (done, total) => progress.show(done, total) });
  let report: WatchReport;
  try {
    report = await watcher.check();
  } catch (error) {
    if (!(error instanceof LogForkedError)) throw error;
    const kept = await keepEvidence(context, options, [error.evidence]);
    return forkedAtOnce(context, url, error, kept);
  } finally {
    progress.end();
  }
  const kept = await keepEvidence(context, options, report.evidence);
  const exit = exitOfReport(report, maxAge);
  if (exit === 0) await remember(context, url, watcher);
  const { ui } = context;
  return {
    exit,
    data: reportData(url, report, kept),
    text: ui.facts(reportFacts(report, kept, maxAge)),
    plain: [[report.origin, report.size, exit, report.evidence.length, report.rejected.length]],
  };
}

/** `peerage log watch`: an audit that goes on; what is new is checked as it comes. Ends with 6 once a fork is proven. */
export async function watch(context: Context, { options }: Args): Promise<number> {
  const maxAge = maxAgeSeconds(options["maxAge"]);
  const every = everySeconds(options["every"], 60);
  const { url, watching: watched } = await prepare(context, options);
  const watcher = new LogWatcher(watched);
  let last = "";
  let status = `looking at ${visible(url, 60)}`;
  using watch = watching(context, () => status);
  for (let seq = 0; !watch.signal.aborted; seq++) {
    const report = await watcher.check();
    const kept = await keepEvidence(context, options, report.evidence);
    const exit = exitOfReport(report, maxAge);
    if (context.globals.json === true) {
      context.io.stdout.write(
        `${envelope("log watch", { exit: answerable(exit), data: { seq, ...reportData(url, report, kept) }, text: [] })}\n`,
      );
    } else {
      const at = context.io.now().toISOString().slice(11, 19);
      const line = partsOf(context.ui, report, exit).join("  ");
      // What has not changed is not told again, but for the footer.
      if (line !== last) watch.add((ui) => ui.table([[ui.dim(at), partsOf(ui, report, exit).join("  ")]]));
      last = line;
      status = `${count(report.size, "entry")}   looked at ${at}`;
    }
    if (exit === 6) {
      watch[Symbol.dispose]();
      for (const path of kept) context.warn(`evidence is kept in ${visible(path, 400)}`);
      return 6;
    }
    if (exit === 0) await remember(context, url, watcher);
    await sleep(every * 1_000, undefined, { signal: watch.signal }).catch(() => undefined);
  }
  return await watch.exit;
}

async function prepare(
  context: Context,
  options: Options,
): Promise<{ url: string; watching: ConstructorParameters<typeof LogWatcher>[0] }> {
  const url = await context.needRegistry();
  const policy = await readTlogPolicy(options["witnessPolicy"]);
  const reader = await connect(context, url, quorumOf(policy));
  const observers = await observersOf(context, options, { url, origin: reader.origin, policy });
  return { url, watching: { reader, observers, now: context.io.now } };
}

/** The newest head that was found right becomes what the next audit compares with. */
async function remember(context: Context, url: string, { network }: LogWatcher): Promise<void> {
  if (network) await keepSeen(context, url, network.head.note);
}

function forkedAtOnce(context: Context, url: string, error: LogForkedError, kept: readonly string[]): Result {
  const { ui } = context;
  return {
    exit: 6,
    data: { registry: url, error: { code: error.code, message: error.message }, evidence: [error.evidence], kept },
    text: ui.facts([
      { mark: "no", label: "fork", value: describeError(error).message },
      ...kept.map((path) => ({ label: "evidence", value: visible(path, 400) })),
    ]),
    plain: [[error.evidence.origin, "", 6, 1, ""]],
  };
}

function partsOf(ui: Terminal, report: WatchReport, exit: Exit): string[] {
  const { size, time, observations, rejected, error } = report;
  const mark = exit === 0 ? ui.good(ui.mark.ok) : exit === 6 ? ui.bad(ui.mark.no) : ui.warn(ui.mark.warn);
  const others = observations.map(({ name, status }) => `${visible(name, 60)} ${status}`).join(", ");
  return [
    `${mark} ${count(size, "entry")}`,
    ...(rejected.length > 0 ? [`${rejected.length} not verified`] : []),
    ...(exit === 3 ? [`checkpoint from ${rfc3339(time)}`] : []),
    ...(others === "" ? [] : [others]),
    ...(error ? [`${error.code}: ${visible(error.message, 120)}`] : []),
  ];
}

/** Exit codes that are answers; another one is told of in the data. */
function answerable(exit: Exit): Exit {
  return [0, 3, 6].includes(exit) ? exit : 1;
}
