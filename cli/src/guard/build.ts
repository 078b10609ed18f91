import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Did, formatProblem, type Policy } from "@peerage/core";
import {
  AuditLog,
  createGuard,
  type Guard,
  readDenyAll,
  type RecordedArguments,
  type ReplayStore,
  SqliteReplayStore,
  trustWithoutRegistry,
} from "@peerage/mcp-middleware";
import { findAgent } from "../agents.ts";
import { consoleAddress } from "../console/address.ts";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { auditFileOf, denyAllMarker, stateFolder } from "../files/guard-files.ts";
import { tilde } from "../files/paths.ts";
import { FollowedTrust } from "../follow.ts";
import { directoryOf, maxAgeSeconds } from "../network.ts";
import { adaptersOf } from "../policy/adapters.ts";
import type { OpenedSpiffe } from "../spiffe/open.ts";
import { styledDid } from "../ui/agent.ts";
import type { LiveRow, LiveScreen } from "../ui/live-screen.ts";
import { count } from "../ui/time.ts";
import { isWatched, openScreen } from "../ui/watching.ts";
import { visible } from "../ui/visible.ts";
import { counted, decisionPrinter, DecisionCount } from "./decisions.ts";
import { loadHooks } from "./hooks.ts";
import { guardMode, Recommender } from "./mode.ts";
import { LiveAdapters, openPolicy } from "./policy.ts";
import { openWebhook } from "./webhook.ts";
import { Owned } from "../owned.ts";

/** A guard with everything that it owns, and its voice. */
export interface GuardParts extends AsyncDisposable {
  readonly guard: Guard;
  /** The audit log that it records into. */
  readonly auditPath: string;
  /** Where a flag asks for SPIFFE. */
  readonly spiffe: OpenedSpiffe | undefined;
  alarm(text: string): void;
  announce(what: string): void;
  /** Says a line of how it is reached, unless `--quiet`. */
  tell(line: string): void;
  /** From now on what it says stands on a live screen with a footer, where a person watches; undefined elsewhere. */
  goLive(): LiveScreen | undefined;
}

/** Opens policy, trust, memory of used proofs, audit log and the guard over them, from the flags of `peerage guard`. */
export async function buildGuard(context: Context, options: Options): Promise<GuardParts> {
  const { err } = context;
  let screen: LiveScreen | undefined;
  const sayRow = (row: LiveRow): void => {
    if (screen) screen.add(row);
    else for (const line of row(err)) context.io.stderr.write(`${line}\n`);
  };
  const say = (line: string): void => sayRow(() => [line]);
  const told: string[] = [];
  const tell = (line: string): void => {
    if (context.globals.quiet === true) return;
    told.push(line);
    say(line);
  };
  const decisions = new DecisionCount(context.io.now());
  const alarm = (text: string): void => say(`  ${err.warn(err.mark.warn)}  ${visible(text, 400)}`);
  const settings = await context.settings();
  const path = typeof options["policy"] === "string" ? options["policy"] : settings.value("policy");
  if (path === undefined)
    throw usage(
      "a guard needs a policy: without one everything is refused",
      "--policy <file>; peerage policy init writes one to start from",
    );
  const { name } = await context.identityFile();
  const identity = await context.signer({ passphraseFile: options["passphraseFile"], unattended: true });
  const roots = await rootsOf(context, options);
  const state = stateFolder(context, options);
  await using opened = new Owned();
  const adapters = new LiveAdapters(adaptersOf(context, options));
  const opening = { identity: identity.did, roots, alarm };
  const policy = opened.use(await openPolicy(context, path, { ...opening, state, adapters }));
  const shadowPath = options["shadowPolicy"];
  const shadow =
    typeof shadowPath === "string" ? opened.use(await openPolicy(context, shadowPath, opening)) : undefined;
  const url = await context.registry();
  const refresh = seconds(options["refresh"] ?? "5");
  const presentedVouches = options["presentedVouches"] === true;
  const follower =
    url === undefined
      ? undefined
      : opened.use(new FollowedTrust(context, { url, roots, maxAgeSeconds: maxAgeSeconds(options["maxAge"]), alarm }));
  await follower?.start(refresh, 5_000);
  const { now } = context.io;
  const trust = follower ?? (presentedVouches ? trustWithoutRegistry({ roots, now }) : undefined);
  const replayPath = join(state, "replay.db");
  const auditPath =
    typeof options["audit"] === "string" ? resolve(context.io.cwd, options["audit"]) : auditFileOf(state, name);
  for (const folder of [state, dirname(auditPath)]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const onAlarm = (problem: unknown): void => alarm(problem instanceof Error ? problem.message : String(problem));
  const replay = opened.use(new SqliteReplayStore(replayPath));
  const audit = opened.use(
    new AuditLog({
      path: auditPath,
      identity,
      args: recordedArguments(options),
      rotateRecords: rotateRecords(options["auditRotate"]),
      now: context.io.now,
      onAlarm,
    }),
  );
  const audience = settings.value("audience");
  // The console may be another process, and may come and go.
  const itemUrl = (id: string): string | undefined => {
    const console = consoleAddress(state);
    return console === undefined ? undefined : `${console}/approvals/${id}`;
  };
  const webhook = await openWebhook(context, options, itemUrl, alarm);
  if (webhook) opened.use(webhook);
  const spiffe = await openGuardSpiffe(context, options, { log: alarm, replay, stateFolder: state, refresh });
  if (spiffe) opened.use(spiffe);
  const { mode, recommendTo } = guardMode(context, options, state);
  const guard = opened.use(
    await createGuard({
      identity,
      policy: () => policy.current,
      adapters: () => adapters.current,
      shadow: shadow && ((): Policy => shadow.current),
      trust,
      presentedVouches,
      spiffe: spiffe?.spiffe.verifier,
      replay,
      audit,
      approvals: {
        waitSeconds: waitSeconds(options["approvalWait"]),
        webhook,
        url: itemUrl,
      },
      audiences: audience === undefined || audience.startsWith("did:") ? [] : [audience],
      mode,
      hooks: await loadHooks(context, options),
      now: context.io.now,
      onAlarm,
      // Hosts keep stderr in their logs, so decisions are shown to a person at a terminal only.
      ...(err.tty || context.globals.verbose === true
        ? { onDecision: counted(decisions, decisionPrinter(context, sayRow)) }
        : {}),
    }),
  );
  if (recommendTo !== undefined) opened.use(new Recommender(context, { audit: auditPath, to: recommendTo }, alarm));
  if (mode.name === "shadow")
    alarm(`nothing is refused until ${mode.until.toISOString()}: what would be is recorded, and goes on`);
  for (const problem of policy.current.warnings) alarm(`policy: ${formatProblem(problem)}`);
  if (readDenyAll(denyAllMarker(state), context.io.now()))
    alarm("everything is denied, whatever the policy says: peerage policy deny-all --off");
  const spiffeLine = spiffe && (await import("../spiffe/serve.ts")).describeDomains(spiffe);
  const parts = opened.move();
  return {
    guard,
    auditPath,
    spiffe,
    alarm,
    tell,
    announce: (what) => {
      tell(
        `  ${err.good(err.mark.on)} ${what} ${err.mark.dot} policy ${policy.current.digest.slice(0, 15)}${err.mark.ellipsis} ${err.mark.dot} ${mode.name === "shadow" ? "shadow, nothing is refused" : "deny by default"}`,
      );
      tell(`    did        ${styledDid(err, identity.did)}`);
      const follows =
        url === undefined
          ? presentedVouches
            ? `no registry: vouches that callers present, ${count(roots.length, "root")}`
            : "no registry: whoever the policy names, nobody else"
          : `${url}, ${follower?.size === undefined ? "not reached yet" : count(follower.size, "entry")}, ${count(roots.length, "root")}`;
      tell(`    trust      ${follows}`);
      if (spiffe) tell(`    spiffe     ${spiffeLine}`);
      tell(`    audit      ${tilde(context.paths, auditPath)}`);
      if (context.globals.verbose === true) tell(`    replay     ${tilde(context.paths, replayPath)}`);
    },
    goLive: () => {
      const { stderr } = context.io;
      if (!isWatched(context, stderr) || context.globals.quiet === true) return undefined;
      return (screen = openScreen(context, stderr, () => decisions.line(context.io.now()), told));
    },
    [Symbol.asyncDispose]: () => {
      screen?.[Symbol.dispose]();
      screen = undefined;
      return parts.disposeAsync();
    },
  };
}

/** Loaded where a flag asks for it: with SPIFFE off it costs nothing. */
async function openGuardSpiffe(
  context: Context,
  options: Options,
  { refresh, ...open }: { log: (line: string) => void; replay: ReplayStore; stateFolder: string; refresh: number },
): Promise<OpenedSpiffe | undefined> {
  const { asksForSpiffe } = await import("../spiffe/switches.ts");
  if (!asksForSpiffe(options)) return undefined;
  const { openSpiffe } = await import("../spiffe/open.ts");
  return openSpiffe(context, options, { ...open, fileIntervalMs: refresh * 1000 });
}

async function rootsOf(context: Context, options: Options): Promise<Did[]> {
  const given = options["root"] as string[] | undefined;
  if (given === undefined) return context.roots();
  return Promise.all(given.map(async (text) => (await findAgent(context, text, () => directoryOf(context))).did));
}

/** After how many records the log is archived; by default it never is. */
function rotateRecords(value: Options[string]): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^[1-9]\d{2,8}$/.test(value)) return Number(value);
  throw usage("--audit-rotate is a number of records, at least 100", "--audit-rotate 100000");
}

function recordedArguments(options: Options): RecordedArguments {
  const wanted = options["auditArgs"] ?? "digest";
  const known = (["digest", "sealed", "redacted", "full"] as const).find((word) => word === wanted);
  if (known === undefined) throw usage("--audit-args is digest, sealed, redacted or full");
  return known;
}

function waitSeconds(value: Options[string]): number {
  const number = value === undefined ? 20 : typeof value === "string" && /^\d{1,2}$/.test(value) ? Number(value) : NaN;
  if (!(number >= 0 && number <= 50)) throw usage("--approval-wait is a number of seconds, at most 50");
  return number;
}

function seconds(text: string | boolean | string[]): number {
  const value = typeof text === "string" && /^\d{1,4}(\.\d)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= 0.1 && value <= 3_600)) throw usage("--refresh is a number of seconds from 0.1 to 3600");
  return value;
}
