import { basename, resolve } from "node:path";
import { formatVerifierKey, Network, PackRecorder, PeerageError, toHex, type TrustPack } from "@peerage/core";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { writeNewFile } from "../files/new-file.ts";
import { replaceFile } from "../files/safe-file.ts";
import { compareWithLastTime, connect, maxAgeSeconds, pinRegistry } from "../network.ts";
import type { Result } from "../output.ts";
import { readPack, zipPack } from "../pack/file.ts";
import { keptPath, type KnownLog, knownLog, openKept, openPack, type OpenedPack } from "../pack/known.ts";
import { refusedResult } from "../refused.ts";
import type { Args } from "../tree.ts";
import { Progress } from "../ui/progress.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** `peerage pack export`: everything that a follower of the registry reads, verified while it is read, in one file. */
export async function exportPack(context: Context, { options }: Args): Promise<Result> {
  const url = await context.needRegistry();
  const progress = new Progress(context, "reading the log");
  const reader = await connect(context, url);
  const recorder = new PackRecorder(reader);
  const network = await Network.open({
    reader: recorder,
    now: context.io.now,
    onProgress: (done, total) => progress.show(done, total),
  }).finally(() => progress.end());
  await compareWithLastTime(context, url, reader, network.view);
  const witnessKey = reader.policy.operatorWitness;
  if (!witnessKey) throw new TypeError("a registry is connected to by two keys");
  const { head } = network;
  const bytes = zipPack(recorder.pack(head, witnessKey));
  const file = resolve(context.io.cwd, typeof options["out"] === "string" ? options["out"] : "trust.pack");
  await writeNewFile(file, bytes);
  const time = rfc3339(head.time ?? 0);
  return {
    data: {
      file,
      bytes: bytes.length,
      registry: url,
      origin: head.origin,
      size: head.size,
      root: toHex(head.root),
      time,
    },
    text: context.ui.facts([
      { mark: "ok", label: "packed", value: `${count(head.size, "entry")} of ${url}` },
      { label: "file", value: `${visible(basename(file), 200)}, ${count(bytes.length, "byte")}` },
      { label: "time", value: `${time}: from now on it ages` },
    ]),
    plain: [[file, head.size, toHex(head.root), time]],
  };
}

/** `peerage pack verify`: follows the file as a registry is followed, from its first leaf on, and says how old it is. */
export async function verifyPack(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const maxAge = maxAgeSeconds(options["maxAge"]);
  const known = await knownLog(context, options);
  let pack: TrustPack, opened: OpenedPack;
  try {
    pack = await readPack(resolve(context.io.cwd, path));
    opened = await open(context, pack, known);
  } catch (error) {
    return refusedResult(context, "pack", error);
  }
  const age = opened.network.ageSeconds();
  const facts: Fact[] = [...packFacts(opened, pack), keysFact(known), ageFact(age, maxAge)];
  return { exit: age > maxAge ? 3 : 0, ...answer(context, path, opened, pack, known, facts) };
}

/** `peerage pack import`: keeps a pack for when its registry cannot be reached. */
export async function importPack(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const maxAge = maxAgeSeconds(options["maxAge"]);
  const url = await context.needRegistry();
  const pack = await readPack(resolve(context.io.cwd, path));
  const known = await knownLog(context, options);
  if (!known)
    throw usage(
      `no key is known for ${url}, so anybody could have made this pack`,
      "--log-key <key of the log> --log-key <key of its witness>",
    );
  const opened = await open(context, pack, { ...known, url });
  const age = opened.network.ageSeconds();
  if (age > maxAge)
    throw new PeerageError(
      "ERR_REGISTRY_STALE",
      `the pack is ${span(age)} old, older than ${span(maxAge)}: nothing would be decided from it`,
    );
  await refuseOlder(context, url, opened);
  await pinRegistry(context, url, known.pin);
  await replaceFile(keptPath(context, url), zipPack(pack));
  return answer(context, path, opened, pack, { ...known, url }, [
    ...packFacts(opened, pack),
    keysFact({ ...known, url }),
    { mark: "ok", label: "kept", value: `for when ${url} cannot be reached` },
    ageFact(age, maxAge),
  ]);
}

async function open(context: Context, pack: TrustPack, known: KnownLog | undefined): Promise<OpenedPack> {
  const progress = new Progress(context, "reading the pack");
  return openPack(context, pack, known, (done, total) => progress.show(done, total)).finally(() => progress.end());
}

/** A pack never takes the place of a newer one. */
async function refuseOlder(context: Context, url: string, { network }: OpenedPack): Promise<void> {
  const kept = await openKept(context, url).catch((error: unknown) => {
    // One that does not hold, or has less than was seen since, is replaced by one that was verified just now.
    if (error instanceof PeerageError) return undefined;
    throw error;
  });
  if (!kept) return;
  const [before, now] = [kept.network.view, network.view];
  if (now.size < before.size || now.time < before.time)
    throw new PeerageError(
      "ERR_REGISTRY_STALE",
      `the pack of ${rfc3339(now.time)} is older than the one that is kept, of ${rfc3339(before.time)}`,
    );
}

function packFacts({ network }: OpenedPack, pack: TrustPack): Fact[] {
  const { view, rejected } = network;
  return [
    { mark: "ok", label: "log", value: visible(view.origin, 200) },
    { label: "size", value: `${count(view.size, "entry")}, all hashed to the signed root` },
    { label: "key", value: formatVerifierKey(pack.logKey) },
    { label: "witness", value: formatVerifierKey(pack.witnessKey) },
    rejected.length === 0
      ? { mark: "ok", label: "verified", value: "every statement" }
      : { mark: "warn", label: "verified", value: `all but ${rejected.length}, which count for nothing` },
  ];
}

function keysFact(known: KnownLog | undefined): Fact {
  if (!known) return { mark: "warn", label: "whose", value: "by its own keys, which you do not know: --log-key" };
  const how = known.by === "named" ? "the keys that you named" : `the keys pinned for ${known.url ?? ""}`;
  return { mark: "ok", label: "whose", value: how };
}

function ageFact(age: number, maxAge: number): Fact {
  return age > maxAge
    ? { mark: "no", label: "age", value: `checkpoint ${span(age)} old, over ${span(maxAge)}: too old to decide from` }
    : { mark: "ok", label: "age", value: `checkpoint ${span(age)} old` };
}

function answer(
  context: Context,
  path: string,
  { network }: OpenedPack,
  pack: TrustPack,
  known: KnownLog | undefined,
  facts: readonly Fact[],
): Pick<Result, "data" | "text" | "plain"> {
  const { origin, size, root, time, witnessed } = network.view;
  const age = Math.round(network.ageSeconds());
  return {
    data: {
      file: resolve(context.io.cwd, path),
      registry: known?.url ?? null,
      origin,
      size,
      root: toHex(root),
      time: rfc3339(time),
      ageSeconds: age,
      witnessed,
      logKey: formatVerifierKey(pack.logKey),
      witnessKey: formatVerifierKey(pack.witnessKey),
      keys: known?.by ?? "its own",
      rejected: network.rejected,
    },
    text: context.ui.facts(facts),
    plain: [[origin, size, toHex(root), rfc3339(time), age]],
  };
}
