import { basename } from "node:path";
import { exitCodeOf, runStdioGuard, startHttpGuard } from "@peerage/mcp-middleware";
import { type Address, parseAddress } from "../address.ts";
import type { ServedConsole } from "../console/serve.ts";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { isLoopback } from "../files/config.ts";
import { stateFolder } from "../files/guard-files.ts";
import { buildGuard, type GuardParts } from "../guard/build.ts";
import type { SpiffeServing } from "../spiffe/serve.ts";
import { exitAfter, interrupted, stopSignal } from "../interrupt.ts";
import type { Args } from "../tree.ts";
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
  const forHttp = ["spiffeMtls", "upstreamSpiffe", "upstreamJwtSvid", "upstreamWpt"];
  if (!http && forHttp.some((name) => options[name] !== undefined))
    throw usage("mutual TLS and tokens for the server behind are for HTTP guards", "peerage guard --http 7070");
  if (http && typeof options["upstream"] !== "string")
    throw usage("the server behind the guard is missing", "--upstream <url>");

  const listen = http
    ? parseAddress(text(options["http"]), 7070, options["behindProxy"] === true || options["spiffeMtls"] === true)
    : undefined;

  await using parts = await buildGuard(context, options);
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

async function serveHttp(context: Context, options: Options, parts: GuardParts, listen: Address): Promise<number> {
  const upstream = new URL(String(options["upstream"]));
  if (upstream.protocol !== "https:" && !isLoopback(upstream.hostname)) {
    parts.alarm(
      `${upstream.host} is reached over plain HTTP: whoever is on that network can read and change calls behind the guard`,
    );
  }
  const publicUrl = options["publicUrl"];
  const stopped = stopSignal();
  await using serving = await spiffeOf(context, options, parts, upstream);
  await using proxy = await startHttpGuard({
    guard: parts.guard,
    upstream,
    listen,
    behindProxy: options["behindProxy"] === true,
    ...(typeof publicUrl === "string" ? { publicUrl } : {}),
    ...serving?.options,
    log: (line) => parts.alarm(line),
  });
  parts.announce(`guarding ${visible(upstream.host)}`);
  await using stack = new AsyncDisposableStack();
  if (options["console"] !== undefined) {
    const served = await serveGuardConsole(context, options, parts);
    stack.use(served);
    context.say(`    console    ${context.err.link(served.url)} ${context.err.dim("(peerage console open)")}`);
  }
  context.say(`    connect    ${context.err.link(typeof publicUrl === "string" ? publicUrl : proxy.url)}`);
  return exitAfter(await stopped);
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

function text(value: string | boolean | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
