import { join, resolve } from "node:path";
import { formatVerifierKey } from "@peerage/core";
import { openWitness, serveApp } from "@peerage/registry";
import { parseAddress } from "../address.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { tilde } from "../files/paths.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { announce, loggerOf } from "../log/logging.ts";
import type { Args } from "../tree.ts";
import { visible } from "../ui/visible.ts";

/** Default port of a witness. */
const WITNESS_PORT = 7078;

/** `peerage log witness`: cosigns the heads of the logs that it is told of, each only if it extends the one before. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const logs = (options["log"] as string[] | undefined) ?? [];
  if (logs.length === 0 && options["key"] !== true)
    throw usage("a witness needs the key of a log", "--log <vkey>; peerage log head shows it");
  const listen = parseAddress(text(options["listen"]), WITNESS_PORT, options["behindProxy"] === true);
  const name = text(options["name"]) ?? `${listen.host}:${listen.port}`;
  const dataDir = resolve(context.io.cwd, text(options["data"]) ?? join(context.paths.data, "witness"));
  const signal = stopSignal();
  if (options["key"] === true) {
    if (text(options["name"]) === undefined) throw usage("the key's name goes into it", "--key --name <name>");
    using made = await openWitness({ dataDir, name, logs: [] });
    context.io.stdout.write(`${formatVerifierKey(made.key)}\n`);
    return 0;
  }
  const logger = loggerOf(context, options, "logFormat");
  using witness = await openWitness({ dataDir, name, logs, now: context.io.now, ...(logger ? { logger } : {}) });
  await using server = await serveApp(witness.app, listen);
  announce(context, logger, "witness", {
    address: `${server.url}/witness`,
    key: formatVerifierKey(witness.key),
    watches: logs.map((log) => visible(log, 200)).join(" "),
    data: tilde(context.paths, dataDir),
  });
  return exitAfter(await signal);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
