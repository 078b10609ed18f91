import { basename } from "node:path";
import { exitCodeOf, runStdioGuard, type ServerCommand, startHttpGuard, startStdioHost } from "@peerage/mcp-middleware";
import { type Address, listenError, parseAddress } from "../address.ts";
import type { ServedConsole } from "../console/serve.ts";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { isLoopback } from "../files/config.ts";
import { stateFolder } from "../files/guard-files.ts";
import { buildGuard, type GuardParts } from "../guard/build.ts";
import { childVariables, upstreamHeaders } from "../guard/secrets.ts";
import { tlsFront } from "../guard/tls.ts";
import type { SpiffeServing } from "../spiffe/serve.ts";
import { exitAfter, interrupted, stopSignal } from "../interrupt.ts";
import type { Args } from "../tree.ts";
import { visible } from "../ui/visible.ts";

/** `peerage guard`: the gate before any MCP server. On stdio, stdout carries MCP frames and nothing else. */
export async function run(context: Context, { rest, options }: Args): Promise<number> {
  const http = options["http"] !== undefined;
  const [command, ...args] = rest;
  if (http && command !== undefined && options["upstream"] !== undefined)
    throw usage("a guard stands before one server", "--upstream <url>, or a command");
  if (!http && command === undefined)
    throw usage("a server to guard is missing", "peerage guard --policy policy.yaml -- <command…>");
  if (!http && options["upstream"] !== undefined)
    throw usage("--upstream needs --http", "peerage guard --http 7070 --upstream <url>");
  if (!http && options["console"] !== undefined)
    throw usage("--console needs --http: a guard on stdio opens no port", "peerage console, in a process of its own");
  const forHttp = [
    "tlsCert",
    "tlsKey",
    "upstreamHeader",
    "spiffeMtls",
    "upstreamSpiffe",
    "upstreamJwtSvid",
    "upstreamWpt",
  ];
  if (!http && forHttp.some((name) => options[name] !== undefined))
    throw usage("TLS, and headers for the server behind, are for HTTP guards", "peerage guard --http 7070");
  if (http && command === undefined && typeof options["upstream"] !== "string")
    throw usage("the server behind the guard is missing", "--upstream <url>, or -- <command…>");
  if (command === undefined && options["childEnv"] !== undefined)
    throw usage("--child-env is for a command", "peerage guard -- <command…>");
  if (command !== undefined && options["upstreamHeader"] !== undefined)
    throw usage("--upstream-header is for a server behind a URL", "--child-env for a command");
  const limit = { callTimeoutSeconds: callTimeout(options["callTimeout"]) };
  const env = { ...context.io.env, ...childVariables(options, context.io.env) };
  const child = command === undefined ? undefined : { command, args, env, cwd: context.io.cwd };
  const isTls = options["tlsCert"] !== undefined;

  const listen = http
    ? parseAddress(
        text(options["http"]),
        7070,
        options["behindProxy"] === true || options["spiffeMtls"] === true || isTls,
      )
    : undefined;

  await using parts = await buildGuard(context, options);
  if (listen) return await serveHttp(context, options, parts, { listen, child, ...limit });
  if (child === undefined) throw usage("a server to guard is missing");
  process.off("SIGINT", interrupted);
  parts.announce(`guarding ${visible(basename(child.command))}`);
  const status = await runStdioGuard({ guard: parts.guard, ...child, ...limit, log: (line) => parts.alarm(line) });
  return exitCodeOf(status);
}

interface Serving {
  readonly listen: Address;
  /** A command instead of a URL. */
  readonly child: ServerCommand | undefined;
  readonly callTimeoutSeconds: number | undefined;
}

async function serveHttp(context: Context, options: Options, parts: GuardParts, how: Serving): Promise<number> {
  const { listen, child, callTimeoutSeconds } = how;
  const log = (line: string): void => parts.alarm(line);
  // A command is reached without a port; its name and path show in the guard's own URL only.
  const upstream = new URL(child ? "http://127.0.0.1/mcp" : String(options["upstream"]));
  if (upstream.protocol !== "https:" && !isLoopback(upstream.hostname)) {
    parts.alarm(
      `${upstream.host} is reached over plain HTTP: whoever is on that network can read and change calls behind the guard`,
    );
  }
  const publicUrl = options["publicUrl"];
  const stopped = stopSignal();
  await using serving = await spiffeOf(context, options, parts, upstream);
  await using host = child && startStdioHost({ ...child, log });
  const own = upstreamHeaders(options, context.io.env);
  const ofSpiffe = serving?.options.upstreamHeaders;
  const secure = tlsFront(options, log);
  if (secure && serving?.options.secure) throw usage("--tls-cert and --spiffe-mtls are two ways to end TLS");
  await using proxy = await startHttpGuard({
    guard: parts.guard,
    upstream,
    listen,
    behindProxy: options["behindProxy"] === true,
    ...(typeof publicUrl === "string" ? { publicUrl } : {}),
    ...serving?.options,
    ...(secure ? { secure } : {}),
    ...(own ? { upstreamHeaders: (headers) => ({ ...ofSpiffe?.(headers), ...own() }) } : {}),
    ...(host ? { connect: host.connect, injectIdentity: true } : {}),
    callTimeoutSeconds,
    log,
  }).catch((error: unknown) => {
    throw listenError(error, listen, "--http");
  });
  parts.announce(`guarding ${visible(child ? basename(child.command) : upstream.host)}`);
  await using stack = new AsyncDisposableStack();
  if (options["console"] !== undefined) {
    const served = await serveGuardConsole(context, options, parts);
    stack.use(served);
    parts.tell(`    console    ${context.err.link(served.url)} ${context.err.dim("(peerage console open)")}`);
  }
  const reached = typeof publicUrl === "string" ? publicUrl : proxy.url;
  parts.tell(`    connect    ${context.err.link(reached)}`);
  parts.tell(`    try it     ${context.err.dim(`peerage call ${reached} <tool>`)}`);
  using screen = parts.goLive();
  const left = screen?.left.then((how) => (how === "quit" ? 0 : 130));
  return await Promise.race([stopped.then(exitAfter), ...(left ? [left] : [])]);
}

/** Mutual TLS and tokens for the server behind, where the flags ask for them. */
async function spiffeOf(
  context: Context,
  options: Options,
  parts: GuardParts,
  upstream: URL,
): Promise<SpiffeServing | undefined> {
  if (!parts.spiffe) return undefined;
  const { spiffeServing } = await import("../spiffe/serve.ts");
  return spiffeServing(parts.spiffe, options, { upstream, now: context.io.now, log: (line) => parts.alarm(line) });
}

/** The console over this guard's log, or over all of its state folder. Its code is loaded where it is asked for. */
async function serveGuardConsole(context: Context, options: Options, parts: GuardParts): Promise<ServedConsole> {
  const { CONSOLE_PORT, serveConsole } = await import("../console/serve.ts");
  return serveConsole(context, {
    listen: parseAddress(text(options["console"]), CONSOLE_PORT, false),
    state: stateFolder(context, options),
    audit: options["audit"] === undefined ? undefined : parts.auditPath,
  });
}

/** A timer beyond 2^31 ms would fire at once. */
function callTimeout(value: Options[string]): number | undefined {
  if (value === undefined) return undefined;
  const seconds = typeof value === "string" && /^\d{1,7}$/.test(value) ? Number(value) : NaN;
  if (!(seconds >= 1 && seconds <= 2_000_000)) throw usage("--call-timeout is a number of seconds, 1 to 2000000");
  return seconds;
}

function text(value: string | boolean | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
