import { join, resolve } from "node:path";
import { type Did, formatVerifierKey, type TlogPolicy } from "@peerage/core";
import { openRegistry, type WitnessQuorum } from "@peerage/registry";
import { parseAddress } from "../address.ts";
import { findAgent } from "../agents.ts";
import type { Context } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { tilde } from "../files/paths.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { readTlogPolicy } from "../log/tlog-policy.ts";
import { serveApp } from "../serve.ts";
import type { Args } from "../tree.ts";
import { count } from "../ui/time.ts";

/** Default port of a registry. */
export const REGISTRY_PORT = 7075;

/** `peerage registry serve`: a registry and its observatory on one address. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const listen = parseAddress(text(options["listen"]), REGISTRY_PORT, options["behindProxy"] === true);
  const dataDir = resolve(context.io.cwd, text(options["data"]) ?? join(context.paths.data, "registry"));
  const given = (options["root"] as string[] | undefined) ?? [];
  const roots: Did[] = await Promise.all(given.map(async (word) => (await findAgent(context, word)).did));
  const publicUrl = text(options["publicUrl"]);
  const witnesses = witnessesOf(await readTlogPolicy(options["witnessPolicy"]));
  const signal = stopSignal();
  await using registry = await openRegistry({
    dataDir,
    roots,
    now: context.io.now,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(witnesses ? { witnesses } : {}),
    witnessFor: (options["witnessFor"] as string[] | undefined) ?? [],
    mirrors: (options["mirror"] as string[] | undefined) ?? [],
    onFailure: (error) => {
      context.warn(`the registry stops: ${describeError(error).message}`);
      // Nobody knows what of the last write is on the disk: nothing more may be answered, and the next start reads it.
      process.exit(1);
    },
  });
  await using server = await serveApp(registry, listen, { roots, publicUrl });
  const { err } = context;
  context.say(`  ${err.good(err.mark.on)} registry   ${err.link(server.url)}`);
  context.say(`    origin     ${registry.origin}`);
  const seal = witnesses ? `${witnesses.threshold} of ${witnesses.witnesses.length} witnesses` : "unwitnessed";
  context.say(`    log        ${count(registry.view.size, "entry")}, ${seal}`);
  context.say(`    key        ${formatVerifierKey(registry.logKey)}`);
  context.say(`    data       ${tilde(context.paths, dataDir)}`);
  if (registry.readOnly !== undefined) context.warn(`read-only: ${registry.readOnly}`);
  context.say(`    ${err.dim("Ctrl-C stops it")}`);
  return exitAfter(await signal);
}

/** Witnesses that can be asked: each needs an address. */
function witnessesOf(policy: TlogPolicy | undefined): WitnessQuorum | undefined {
  if (!policy || policy.threshold === 0) return undefined;
  const witnesses = policy.witnesses.map(({ key, url }) => {
    if (url === undefined) throw usage(`the witness ${key.name} has no address in the policy file`);
    return { key, url };
  });
  return { witnesses, threshold: policy.threshold };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
