import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Did } from "@peerage/core";
import {
  createGuard,
  type DecisionRecord,
  exitCodeOf,
  type Guard,
  runStdioGuard,
  SqliteReplayStore,
  startHttpGuard,
  type Verdict,
} from "@peerage/mcp-middleware";
import { type Address, parseAddress } from "../address.ts";
import { findAgent, ownName } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { isLoopback } from "../files/config.ts";
import { tilde } from "../files/paths.ts";
import { FollowedTrust } from "../follow.ts";
import { exitAfter, interrupted, stopSignal } from "../interrupt.ts";
import { directoryOf, maxAgeSeconds } from "../network.ts";
import { PolicyFile } from "../policy-file.ts";
import type { Args } from "../tree.ts";
import { fingerprint, styledDid } from "../ui/agent.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** `peerage guard`: the gate before any MCP server. On stdio, stdout carries MCP frames and nothing else. */
export async function run(context: Context, { rest, options }: Args): Promise<number> {
  const http = options["http"] !== undefined;
  const [command, ...args] = rest;
  if (http && command !== undefined)
    throw usage("an HTTP guard stands before a running server", "--upstream <url> instead of a command");
  if (!http && command === undefined)
    throw usage("a server to guard is missing", "peerage guard --policy policy.yaml -- <command…>");
  if (!http && options["upstream"] !== undefined)
    throw usage("--upstream needs --http", "peerage guard --http 7070 --upstream <url>");
  if (http && typeof options["upstream"] !== "string")
    throw usage("the server behind the guard is missing", "--upstream <url>");

  const listen = http ? parseAddress(text(options["http"]), 7070, options["behindProxy"] === true) : undefined;

  await using parts = await build(context, options);
  if (listen) return await serveHttp(context, options, parts, listen);
  if (command === undefined) throw usage("a server to guard is missing");
  process.off("SIGINT", interrupted);
  parts.announce(`guarding ${visible(basename(command))}`);
  const status = await runStdioGuard({
    guard: parts.guard,
    command,
    args,
    env: context.io.env,
    cwd: context.io.cwd,
    log: (line) => parts.alarm(line),
  });
  return exitCodeOf(status);
}

interface Parts extends AsyncDisposable {
  readonly guard: Guard;
  alarm(text: string): void;
  announce(what: string): void;
}

async function build(context: Context, options: Options): Promise<Parts> {
  const say = (line: string): void => void context.io.stderr.write(`${line}\n`);
  const { err } = context;
  const alarm = (text: string): void => say(`  ${err.warn(err.mark.warn)}  ${visible(text, 400)}`);
  const settings = await context.settings();
  const path = typeof options["policy"] === "string" ? options["policy"] : settings.value("policy");
  if (path === undefined)
    throw usage(
      "a guard needs a policy: without one everything is refused",
      "--policy <file>; docs/policy.md has one to start from",
    );
  const identity = await context.signer({ passphraseFile: options["passphraseFile"], unattended: true });
  const roots = await rootsOf(context, options);
  const policy = await PolicyFile.open(path, { me: [identity.did], roots }, alarm);
  const url = await context.registry();
  const refresh = seconds(options["refresh"] ?? "5");
  const trust =
    url === undefined
      ? undefined
      : new FollowedTrust(context, { url, roots, maxAgeSeconds: maxAgeSeconds(options["maxAge"]), alarm });
  await trust?.start(refresh, 5_000);
  const replayPath = join(context.paths.state, "replay.db");
  await mkdir(dirname(replayPath), { recursive: true, mode: 0o700 });
  const replay = new SqliteReplayStore(replayPath);
  const audience = settings.value("audience");
  const guard = await createGuard({
    identity,
    policy: () => policy.current,
    trust,
    replay,
    audiences: audience === undefined || audience.startsWith("did:") ? [] : [audience],
    now: context.io.now,
    onAlarm: (problem) => alarm(problem instanceof Error ? problem.message : String(problem)),
    // Hosts keep stderr in their logs, so decisions are shown to a person at a terminal only.
    ...(err.tty || context.globals.verbose === true ? { onDecision: decisionPrinter(context, say) } : {}),
  });
  for (const { message, line } of policy.current.warnings)
    alarm(`policy${line === undefined ? "" : ` line ${line}`}: ${message}`);
  return {
    guard,
    alarm,
    announce: (what) => {
      if (context.globals.quiet === true) return;
      say(
        `  ${err.good(err.mark.on)} ${what} ${err.mark.dot} policy ${policy.current.digest.slice(0, 15)}${err.mark.ellipsis} ${err.mark.dot} deny by default`,
      );
      say(`    did        ${styledDid(err, identity.did)}`);
      const follows =
        url === undefined
          ? "no registry: whoever the policy names, nobody else"
          : `${url}, ${trust?.size === undefined ? "not reached yet" : count(trust.size, "entry")}, ${count(roots.length, "root")}`;
      say(`    trust      ${follows}`);
      if (context.globals.verbose === true) say(`    replay     ${tilde(context.paths, replayPath)}`);
    },
    [Symbol.asyncDispose]: async () => {
      trust?.[Symbol.dispose]();
      policy[Symbol.dispose]();
      await guard[Symbol.asyncDispose]();
      replay[Symbol.dispose]();
    },
  };
}

async function serveHttp(context: Context, options: Options, parts: Parts, listen: Address): Promise<number> {
  const upstream = new URL(String(options["upstream"]));
  if (upstream.protocol !== "https:" && !isLoopback(upstream.hostname)) {
    parts.alarm(
      `${upstream.host} is reached over plain HTTP: whoever is on that network can read and change calls behind the guard`,
    );
  }
  const publicUrl = options["publicUrl"];
  const stopped = stopSignal();
  await using proxy = await startHttpGuard({
    guard: parts.guard,
    upstream,
    listen,
    behindProxy: options["behindProxy"] === true,
    ...(typeof publicUrl === "string" ? { publicUrl } : {}),
    log: (line) => parts.alarm(line),
  });
  parts.announce(`guarding ${visible(upstream.host)}`);
  context.say(`    connect    ${context.err.link(typeof publicUrl === "string" ? publicUrl : proxy.url)}`);
  return exitAfter(await stopped);
}

async function rootsOf(context: Context, options: Options): Promise<Did[]> {
  const given = options["root"] as string[] | undefined;
  if (given === undefined) return context.roots();
  return Promise.all(given.map(async (text) => (await findAgent(context, text, () => directoryOf(context))).did));
}

function decisionPrinter(
  context: Context,
  say: (line: string) => void,
): (record: DecisionRecord, verdict: Verdict) => void {
  const { err } = context;
  const names = new Map<Did, string>();
  return (record, verdict) => {
    // Names are looked up beside the decision, never before it: nothing here may hold a call up.
    void (async () => {
      const did = record.caller?.did ?? record.proof?.issuer;
      if (did && !names.has(did)) names.set(did, visible((await ownName(context, did)) ?? fingerprint(did), 18));
      const who = did === undefined ? "unsigned" : (names.get(did) ?? "");
      const what = visible(record.tool ?? record.method, 24);
      const mark = verdict.admitted ? err.good(`${err.mark.ok} admit `) : err.bad(`${err.mark.no} refuse`);
      const score = record.caller?.score;
      const why = verdict.admitted
        ? score === undefined
          ? ""
          : score === "unknown"
            ? "unknown"
            : score.toFixed(2)
        : `${verdict.reason}${verdict.detail === undefined ? "" : ` ${visible(verdict.detail, 60)}`}`;
      const time = record.at.toTimeString().slice(0, 8);
      say(
        `  ${err.dim(time)}  ${mark}  ${err.pad(who, 18)}  ${err.pad(what, 24)}  ${verdict.admitted ? err.dim(why) : err.bad(why)}`.trimEnd(),
      );
    })();
  };
}

function seconds(text: string | boolean | string[]): number {
  const value = typeof text === "string" && /^\d{1,4}(\.\d)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= 0.1 && value <= 3_600)) throw usage("--refresh is a number of seconds from 0.1 to 3600");
  return value;
}

function text(value: string | boolean | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
