import { join } from "node:path";
import {
  type CheckpointPolicy,
  type Did,
  HttpRegistryReader,
  isJsonObject,
  isPeerageError,
  LogForkedError,
  Network,
  parseDid,
  PeerageError,
  type PinStore,
  type RegistryPin,
  type RegistryReader,
  verifyCheckpoint,
  verifyExtension,
  type View,
} from "@peerage/core";
import { z } from "zod";
import type { Directory } from "./agents.ts";
import type { Context } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import { readBook, writeBook } from "./files/book.ts";
import { NameSource } from "./notes.ts";
import { Progress } from "./ui/progress.ts";
import { rfc3339 } from "./ui/time.ts";

/** Oldest log that an answer is given from, in seconds, unless `--max-age` says otherwise. */
const DEFAULT_MAX_AGE_SECONDS = 86_400;

/** A registry's log, copied and checked by this process. */
export interface Snapshot {
  readonly url: string;
  /** `pack`: the registry could not be reached, and this is what an imported trust pack says. */
  readonly from: "registry" | "pack";
  readonly reader: RegistryReader;
  readonly network: Network;
  readonly view: View;
  /** Seconds since the checkpoint was stamped. */
  readonly age: number;
  /** The names that agents chose for themselves. */
  readonly names: NameSource;
}

export const pinsForm: z.ZodType<{ v: 1; pins: Record<string, RegistryPin> }> = z.strictObject({
  v: z.literal(1),
  pins: z.record(z.string(), z.strictObject({ origin: z.string(), logKey: z.string(), witnessKey: z.string() })),
});
const seenForm = z.strictObject({ v: z.literal(1), checkpoints: z.record(z.string(), z.string()) });

/**
 * Copies the log of the configured registry and checks all of it: keys as pinned, every root, every statement, and that it
 * extends what was seen the last time. Where the registry cannot be reached, the trust pack kept for it takes its place, and
 * that is said; it ages as any log does.
 * @throws {CliError} ERR_USAGE without a registry. @throws {PeerageError} ERR_LOG_FORKED, ERR_REGISTRY_STALE and the rest
 */
export async function openSnapshot(context: Context): Promise<Snapshot> {
  const url = await context.needRegistry();
  const progress = new Progress(context, "reading the log");
  const onProgress = (done: number, total: number): void => progress.show(done, total);
  try {
    const { from, reader, network } = await openLog(context, url, onProgress);
    const { view } = network;
    const names = new NameSource(context, url, { offline: from === "pack" });
    return { url, from, reader, network, view, age: network.ageSeconds(), names };
  } catch (error) {
    throw error instanceof LogForkedError ? await forked(context, error) : error;
  } finally {
    progress.end();
  }
}

/** Keeps the proof that a log contradicted itself, and says where. */
export async function forked(context: Context, { message, evidence }: LogForkedError): Promise<CliError> {
  const { keepEvidence } = await import("./log/evidence.ts");
  const [path = ""] = await keepEvidence(context, {}, [evidence]);
  return new CliError("ERR_LOG_FORKED", message, { hint: `show the proof to others: peerage verify ${path}` });
}

/** The log from its registry; or from the pack that is kept, if there is no way to the registry. */
async function openLog(
  context: Context,
  url: string,
  onProgress: (done: number, total: number) => void,
): Promise<Pick<Snapshot, "from" | "reader" | "network">> {
  try {
    const reader = await connect(context, url);
    const network = await Network.open({ reader, now: context.io.now, onProgress });
    await compareWithLastTime(context, url, reader, network.view);
    return { from: "registry", reader, network };
  } catch (unreachable) {
    if (!isPeerageError(unreachable, "ERR_REGISTRY_UNREACHABLE")) throw unreachable;
    const { openKept } = await import("./pack/known.ts");
    const kept = await openKept(context, url, onProgress);
    if (!kept) throw unreachable;
    context.warn(`${url} cannot be reached: this is from the trust pack of ${rfc3339(kept.network.view.time)}`);
    return { from: "pack", ...kept };
  }
}

/** {@link openSnapshot}, young enough to decide from. @throws {PeerageError} ERR_REGISTRY_STALE */
export async function freshSnapshot(context: Context, maxAge: unknown): Promise<Snapshot> {
  const seconds = maxAgeSeconds(maxAge);
  const snapshot = await openSnapshot(context);
  if (snapshot.age > seconds) {
    throw new PeerageError(
      "ERR_REGISTRY_STALE",
      `the newest checkpoint is ${Math.round(snapshot.age)} s old, older than ${seconds} s: an answer from it could be out of date`,
    );
  }
  return snapshot;
}

/** The value of `--max-age`. @throws {CliError} ERR_USAGE */
export function maxAgeSeconds(flag: unknown): number {
  if (flag === undefined) return DEFAULT_MAX_AGE_SECONDS;
  const seconds = typeof flag === "string" && /^[1-9]\d{0,8}$/.test(flag) ? Number(flag) : NaN;
  if (Number.isNaN(seconds)) throw usage("--max-age is a number of seconds");
  return seconds;
}

/** The registry's reader with the keys first seen, which are pinned; with a quorum, only what it has cosigned counts. */
export async function connect(
  context: Context,
  url: string,
  quorum?: CheckpointPolicy["quorum"],
): Promise<HttpRegistryReader> {
  const pins = await RegistryPins.load(join(context.paths.data, "registries.json"));
  const reader = await HttpRegistryReader.connect({ url, pins, now: context.io.now, ...(quorum ? { quorum } : {}) });
  await pins.save();
  return reader;
}

/** Pins keys that are known in another way than from the registry; keys that are pinned are never replaced. */
export async function pinRegistry(context: Context, url: string, pin: RegistryPin): Promise<void> {
  const pins = await RegistryPins.load(join(context.paths.data, "registries.json"));
  if (!pins.get(url)) pins.set(url, pin);
  await pins.save();
}

/** The agents of the configured registry for looking up names, or undefined without a registry. */
export async function directoryOf(context: Context): Promise<Directory | undefined> {
  if ((await context.registry()) === undefined) return undefined;
  const { view, names } = await openSnapshot(context);
  return directory(view, names);
}

/** Agents of a view with the names they chose. */
export async function directory(view: View, names: NameSource): Promise<Directory> {
  const all = [...view.agents()];
  const found = await names.ofAll(view, all);
  return { agents: () => all.map((did) => ({ did, name: found.get(did) })) };
}

/** The roots that the configured registry suggests; what is no acceptable DID is left out. */
export async function suggestedRoots(context: Context): Promise<Did[]> {
  const reader = await connect(context, await context.needRegistry());
  const said = await reader.json("/.well-known/peerage-registry.json");
  const roots = isJsonObject(said) ? said["roots"] : undefined;
  if (!Array.isArray(roots)) return [];
  return roots.flatMap((root: unknown) => {
    try {
      return [parseDid(root)];
    } catch {
      return [];
    }
  });
}

/**
 * Every user of a log audits it a little: what is shown today must extend what was shown before.
 * @throws {PeerageError} ERR_REGISTRY_STALE, ERR_LOG_FORKED, ERR_CONSISTENCY_INVALID
 */
export async function compareWithLastTime(
  context: Context,
  url: string,
  reader: RegistryReader,
  view: View,
  shower = "the registry",
): Promise<void> {
  const note = await lastSeen(context, url);
  if (note === view.note) return;
  if (note !== undefined) await checkExtends(note, reader, view, shower);
  await keepSeen(context, url, view.note);
}

/**
 * What a log shows now must extend a head that it signed before.
 * @throws {PeerageError} ERR_REGISTRY_STALE, ERR_LOG_FORKED, ERR_CONSISTENCY_INVALID, ERR_CHECKPOINT_INVALID
 */
export async function checkExtends(
  note: string,
  reader: RegistryReader,
  view: View,
  shower = "the registry",
): Promise<void> {
  const { origin, logKey } = reader;
  const before = await verifyCheckpoint(note, { origin, logKey });
  if (view.size < before.size) {
    throw new PeerageError(
      "ERR_REGISTRY_STALE",
      `${shower} shows ${view.size} entries, and the registry has shown ${before.size} before`,
    );
  }
  const now = await verifyCheckpoint(view.note, { origin, logKey });
  const proof =
    before.size === 0 || before.size === view.size ? [] : await reader.consistencyProof(before.size, view.size);
  const readTile = (level: number, n: number, width: number): Promise<Uint8Array> => reader.tile(level, n, width);
  if (before.size > 0) await verifyExtension(before, now, { logKey, proof, readTile });
}

/** The newest head of a registry's log that this user has seen, as it was signed. */
export async function lastSeen(context: Context, url: string): Promise<string | undefined> {
  return (await readBook(seenPath(context), seenForm))?.checkpoints[url];
}

/** Keeps a head that was verified and extends the one before. */
export async function keepSeen(context: Context, url: string, note: string): Promise<void> {
  const seen = (await readBook(seenPath(context), seenForm))?.checkpoints ?? {};
  if (seen[url] !== note) await writeBook(seenPath(context), { v: 1, checkpoints: { ...seen, [url]: note } });
}

function seenPath(context: Context): string {
  return join(context.paths.state, "checkpoints.json");
}

/** The keys of registries as first seen, in a file of the user's. */
class RegistryPins implements PinStore {
  readonly #path: string;
  readonly #pins: Map<string, RegistryPin>;
  #changed = false;

  private constructor(path: string, pins: Map<string, RegistryPin>) {
    this.#path = path;
    this.#pins = pins;
  }

  static async load(path: string): Promise<RegistryPins> {
    return new RegistryPins(path, new Map(Object.entries((await readBook(path, pinsForm))?.pins ?? {})));
  }

  get(url: string): RegistryPin | undefined {
    return this.#pins.get(url);
  }

  set(url: string, pin: RegistryPin): void {
    this.#pins.set(url, pin);
    this.#changed = true;
  }

  async save(): Promise<void> {
    if (this.#changed) await writeBook(this.#path, { v: 1, pins: Object.fromEntries(this.#pins) });
  }
}
