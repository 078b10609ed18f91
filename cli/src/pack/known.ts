import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  type CheckpointPolicy,
  formatVerifierKey,
  LOG_TYPE,
  Network,
  PackReader,
  parseVerifierKey,
  PeerageError,
  type RegistryPin,
  type TrustPack,
  type VerifierKey,
  WITNESS_TYPE,
} from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { readBook } from "../files/book.ts";
import { compareWithLastTime, pinsForm } from "../network.ts";
import { visible } from "../ui/visible.ts";
import { readPack } from "./file.ts";

/** Whose pack it must be, and how that is known. */
export interface KnownLog {
  readonly by: "pinned" | "named";
  /** The registry with these keys, where one is known by them. */
  readonly url: string | undefined;
  readonly pin: RegistryPin;
}

/** A pack that a follower has verified from its first leaf on. */
export interface OpenedPack {
  readonly reader: PackReader;
  readonly network: Network;
}

/**
 * The log whose packs count: by `--log-key`, given for the log's key and for its witness's; else the keys pinned for the
 * configured registry. Undefined if neither is there.
 * @throws {CliError} ERR_USAGE if the keys that are named are not those pinned
 */
export async function knownLog(context: Context, options: Options): Promise<KnownLog | undefined> {
  const url = await context.registry();
  const pin = url === undefined ? undefined : await pinOf(context, url);
  const named = options["logKey"] as string[] | undefined;
  if (named === undefined) return pin && { by: "pinned", url, pin };
  const keys = named.map(readKey);
  const [log, witness] = [LOG_TYPE, WITNESS_TYPE].map((type) => keys.find((key) => key.type === type));
  if (keys.length !== 2 || !log || !witness)
    throw usage("--log-key is given twice: the key of the log, and that of its witness, which stamps the time");
  const given = { origin: log.name, logKey: formatVerifierKey(log), witnessKey: formatVerifierKey(witness) };
  if (pin && (pin.logKey !== given.logKey || pin.witnessKey !== given.witnessKey))
    throw usage(`these are not the keys that are pinned for ${url ?? ""}`, "leave --log-key out");
  return { by: "named", url: pin && url, pin: given };
}

/** The keys pinned for a registry at first contact. */
async function pinOf(context: Context, url: string): Promise<RegistryPin | undefined> {
  return (await readBook(join(context.paths.data, "registries.json"), pinsForm))?.pins[url];
}

/**
 * Follows a pack as a registry is followed; with the keys of a registry that is known, also from what was seen of it.
 * @throws {PeerageError} what `Network.open` throws; ERR_CHECKPOINT_INVALID for another log's; ERR_REGISTRY_STALE for less
 *   than was seen before
 */
export async function openPack(
  context: Context,
  pack: TrustPack,
  known: Pick<KnownLog, "url" | "pin"> | undefined,
  onProgress?: (done: number, total: number) => void,
): Promise<OpenedPack> {
  const { now } = context.io;
  const reader = await PackReader.open(pack, { now, ...(known ? { policy: policyOf(known.pin) } : {}) });
  const network = await Network.open({ reader, now, ...(onProgress ? { onProgress } : {}) });
  if (known?.url !== undefined) await compareWithLastTime(context, known.url, reader, network.view, "the pack");
  return { reader, network };
}

/** Where the pack of a registry is kept: with the user's data, since it cannot be had again while it is needed. */
export function keptPath(context: Context, url: string): string {
  return join(context.paths.data, "packs", `${createHash("sha256").update(url).digest("hex").slice(0, 32)}.pack`);
}

/**
 * The pack kept for a registry, verified anew by the keys pinned for it; undefined if none is kept or no key is pinned.
 * @throws {PeerageError} see {@link openPack}
 */
export async function openKept(
  context: Context,
  url: string,
  onProgress?: (done: number, total: number) => void,
): Promise<OpenedPack | undefined> {
  const pin = await pinOf(context, url);
  if (!pin) return undefined;
  let pack: TrustPack;
  try {
    pack = await readPack(keptPath(context, url));
  } catch (error) {
    if (error instanceof PeerageError) throw error;
    return undefined;
  }
  return openPack(context, pack, { url, pin }, onProgress);
}

function policyOf(pin: RegistryPin): CheckpointPolicy {
  return {
    origin: pin.origin,
    logKey: parseVerifierKey(pin.logKey),
    operatorWitness: parseVerifierKey(pin.witnessKey),
  };
}

function readKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text);
  } catch {
    throw usage(`${visible(text, 120)} is no key of a log`, "peerage pack verify <file> shows the keys of a pack");
  }
}
