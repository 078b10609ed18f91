import { join, resolve } from "node:path";
import { type Did, formatVerifierKey, type TlogPolicy } from "@peerage/core";
import { type Clients, openRegistry, prepareLogKeys, type WitnessQuorum } from "@peerage/registry";
import { parseAddress } from "../address.ts";
import { findAgent } from "../agents.ts";
import type { Context } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { isLoopback } from "../files/config.ts";
import { tilde } from "../files/paths.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { announce, loggerOf } from "../log/logging.ts";
import { readTlogPolicy } from "../log/tlog-policy.ts";
import { serveApp } from "../serve.ts";
import type { Args } from "../tree.ts";
import { count } from "../ui/time.ts";

/** Default port of a registry. */
const REGISTRY_PORT = 7075;

/** `peerage registry serve`: a registry and its observatory on one address. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const listen = parseAddress(text(options["listen"]), REGISTRY_PORT, options["behindProxy"] !== undefined);
  const dataDir = resolve(context.io.cwd, text(options["data"]) ?? join(context.paths.data, "registry"));
  const publicUrl = text(options["publicUrl"]);
  if (options["key"] === true) {
    const { logKey } = await prepareLogKeys(dataDir, publicUrl === undefined ? {} : { publicUrl });
    context.io.stdout.write(`${formatVerifierKey(logKey)}\n`);
    return 0;
  }
  const roots = await agents(context, options["root"]);
  const members = await agents(context, options["member"]);
  const witnesses = witnessesOf(await readTlogPolicy(options["witnessPolicy"]));
  const database = databaseOf(context, options["database"]);
  const clients = clientsOf(options["behindProxy"], listen.host, publicUrl);
  const cadence = cadenceOf(options["cadence"]);
  const logger = loggerOf(context, options);
  const signal = stopSignal();
  await using registry = await openRegistry({
    dataDir,
    roots,
    clients,
    now: context.io.now,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(database === undefined ? {} : { database }),
    ...(members.length > 0 ? { members } : {}),
    ...(witnesses ? { witnesses } : {}),
    ...(logger ? { logger } : {}),
    publicMetrics: options["metrics"] === true,
    ...(cadence === undefined ? {} : { cadenceMs: cadence * 1_000 }),
    witnessFor: many(options["witnessFor"]),
    mirrorOf: many(options["mirrorOf"]).map((url) => url.replace(/\/+$/, "")),
    mirrors: many(options["mirror"]),
    onFailure: (error) => {
      const { message } = describeError(error);
      if (logger) logger.error({ reason: message }, "registry stops");
      else context.warn(`the registry stops: ${message}`);
      // Nobody knows what of the last write is on the disk: nothing more may be answered, and the next start reads it.
      process.exit(1);
    },
  }).catch((error: unknown) => {
    // What the operator asked for cannot be: a quorum too small, hops that are no addresses.
    throw error instanceof RangeError ? usage(error.message) : error;
  });
  await using server = await serveApp(registry, listen, { roots, publicUrl });
  announce(context, logger, "registry", {
    address: server.url,
    origin: registry.origin,
    log: `${count(registry.view.size, "entry")}, ${sealOf(witnesses)}`,
    key: formatVerifierKey(registry.logKey),
    data: tilde(context.paths, dataDir),
    ...(database === undefined ? {} : { database: new URL(database).host }),
  });
  const warn = (message: string): void => (logger ? logger.warn({}, message) : context.warn(message));
  if (registry.readOnly !== undefined) warn(`read-only: ${registry.readOnly}`);
  if (clients === "unknown") warn("nothing is limited by address: name the proxy, --behind-proxy <its address>");
  const stopped = await signal;
  logger?.info({ signal: stopped }, "registry stops in order");
  return exitAfter(stopped);
}

function cadenceOf(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const seconds = typeof given === "string" && /^\d{1,3}(\.\d)?$/.test(given) ? Number(given) : NaN;
  if (!(seconds >= 0.1 && seconds <= 60)) throw usage("--cadence is a number of seconds from 0.1 to 60");
  return seconds;
}

function sealOf(witnesses: WitnessQuorum | undefined): string {
  if (!witnesses) return "unwitnessed";
  const { threshold, group, witnesses: all } = witnesses;
  return `${group ? "at least " : ""}${threshold} of ${all.length} witnesses`;
}

/**
 * Whose addresses are known: those of the peers, unless something stands in front. Behind a proxy that is not named all
 * would share one, and so would they behind whatever carries a public address to this machine's loopback.
 */
function clientsOf(behindProxy: unknown, host: string, publicUrl: string | undefined): Clients {
  if (typeof behindProxy === "string") return behindProxy.split(",").map((hop) => hop.trim());
  const isFronted = publicUrl !== undefined && isLoopback(host) && !isLoopback(new URL(publicUrl).hostname);
  return behindProxy === true || isFronted ? "unknown" : "direct";
}

/** A password does not belong where `ps` shows it. */
function databaseOf({ io }: Context, given: unknown): string | undefined {
  const flag = text(given);
  if (flag !== undefined && URL.canParse(flag) && new URL(flag).password !== "") {
    throw usage("a password in a flag can be read by others", "PEERAGE_DATABASE, PGPASSWORD or a .pgpass file");
  }
  const url = flag ?? io.env["PEERAGE_DATABASE"];
  if (url !== undefined && !/^postgres(?:ql)?:\/\//.test(url)) throw usage("a database is postgres://…");
  return url;
}

async function agents(context: Context, given: unknown): Promise<Did[]> {
  return Promise.all(many(given).map(async (word) => (await findAgent(context, word)).did));
}

function many(given: unknown): readonly string[] {
  return (given as readonly string[] | undefined) ?? [];
}

/** Witnesses that can be asked: each needs an address. */
function witnessesOf(policy: TlogPolicy | undefined): WitnessQuorum | undefined {
  if (!policy || policy.threshold === 0) return undefined;
  const witnesses = policy.witnesses.map(({ key, url }) => {
    if (url === undefined) throw usage(`the witness ${key.name} has no address in the policy file`);
    return { key, url };
  });
  const { threshold, group } = policy;
  return { witnesses, threshold, ...(group ? { group } : {}) };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
