import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Did, type Digest, PeerageError, type SealedMessage } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError, describeError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { collect } from "../messages/collect.ts";
import { type Judge, judge } from "../messages/judge.ts";
import { KeptMessages } from "../messages/kept.ts";
import { openReader, type Reader } from "../messages/keys.ts";
import { postOf } from "../messages/post.ts";
import { listData, listLines, listRows, messageData, order, textOf } from "../messages/show.ts";
import { freshSnapshot, type Snapshot } from "../network.ts";
import { envelope, type Result } from "../output.ts";
import { durationSeconds } from "../policy/durations.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import { rfc3339 } from "../ui/time.ts";
import { visible, visibleLines } from "../ui/visible.ts";
import { viewpointOf } from "../viewpoint.ts";

/** `peerage inbox`: fetches what waits, keeps it here still sealed, and shows it, the trusted first. */
export async function list(context: Context, args: Args): Promise<Result | number> {
  const { options } = args;
  const every = options["every"] === undefined ? 10 : durationSeconds(options["every"], "--every");
  const reader = await openReader(context, options);
  const first = await look(context, reader, options);
  return options["follow"] === true ? follow(context, reader, options, { every, first }) : first.result();
}

/** `peerage inbox read`: opens one message and shows it, or writes its bytes to a new file. */
export async function read(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const reader = await openReader(context, options);
  const store = new KeptMessages(context.paths, reader.file.did);
  const id = await findId(store, text);
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const kept = (await store.all()).find((one) => one.id === id);
  if (!kept) throw notFound(text);
  const judged = await judge(kept, judgeOf(context, reader, snapshot, store));
  if (!judged.message)
    throw new PeerageError(judged.error.code, `this message is not to be believed: ${judged.error.message}`);
  const { message } = judged;
  const scope = await context.scope(options["scope"]);
  const viewpoint = await viewpointOf(context, options, snapshot);
  const [sorted] = await order(context, [judged], { view: snapshot.view, scope, roots: viewpoint.roots });
  if (sorted?.message === undefined) throw notFound(text);
  const out = options["out"];
  if (typeof out === "string") await writeNew(resolve(context.io.cwd, out), message.body);
  await store.markRead(kept);
  const body = textOf(message.body);
  const { ui } = context;
  const score = sorted.score === "unknown" ? "unknown" : sorted.score.toFixed(2);
  return {
    data: {
      ...messageData(sorted, { read: true }),
      to: message.recipient,
      key: message.kid,
      ...(body === undefined ? { base64: Buffer.from(message.body).toString("base64") } : { text: body }),
    },
    text: [
      ...ui.facts([
        { mark: "ok", label: "from", value: styledDid(ui, message.sender) },
        ...(sorted.name === undefined ? [] : [{ label: "whom you call", value: visible(sorted.name) }]),
        {
          mark: sorted.score === "unknown" ? ("warn" as const) : undefined,
          label: "score",
          value: `${score} in ${scope}, as seen by ${viewpoint.label}`,
        },
        { label: "sent", value: `${rfc3339(message.issuedAt)}, signed for ${reader.file.name} alone` },
        ...(typeof out === "string"
          ? [{ label: "written", value: `${message.body.length} bytes to ${visible(out, 400)}` }]
          : []),
      ]),
      ...(typeof out === "string" ? [] : ["", ...bodyLines(context, message, body)]),
    ],
    plain: [[kept.id, message.sender, rfc3339(message.issuedAt), message.body.length]],
  };
}

/** `peerage inbox remove`: the message is gone from this machine, and is not taken in again. */
export async function remove(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const file = await context.identityFile();
  const store = new KeptMessages(context.paths, file.did);
  const id = await findId(store, text);
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await store.remove(id);
  return {
    data: { id, dryRun },
    text: context.ui.facts([{ mark: dryRun ? "none" : "ok", label: dryRun ? "would remove" : "removed", value: id }]),
    plain: [[id]],
  };
}

interface Looked {
  /** What is there, and how to tell of all of it, or of some: nothing else is opened for it. */
  readonly ids: readonly Digest[];
  readonly result: (only?: ReadonlySet<Digest>, seq?: number) => Promise<Result>;
}

async function look(context: Context, reader: Reader, options: Options): Promise<Looked> {
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const { view, url } = snapshot;
  const { did, name } = reader.file;
  if (!view.profileOf(did)) {
    throw new CliError("ERR_NOT_FOUND", `${name} has not joined ${url}: nothing is kept for it there`, {
      hint: `peerage init ${name} --registry ${url}`,
    });
  }
  const scope = await context.scope(options["scope"]);
  const { roots, label } = await viewpointOf(context, options, snapshot);
  const store = new KeptMessages(context.paths, did);
  const by = judgeOf(context, reader, snapshot, store);
  const post = postOf(context, url, snapshot.reader.origin, reader.signer);
  const collected = await collect(post, by, { keep: options["keep"] === true });
  if (collected.replayed > 0) context.warn(`${collected.replayed} came before, and was not taken in again`);
  const all = await store.all();
  const result = async (only?: ReadonlySet<Digest>, seq?: number): Promise<Result> => {
    const judged = [];
    for (const kept of all) if (only?.has(kept.id) ?? true) judged.push(await judge(kept, by));
    const shown = await order(context, judged, { view, scope, roots });
    const { fetched, replayed } = collected;
    return {
      data: {
        for: did,
        registry: url,
        scope,
        ...(seq === undefined ? {} : { seq }),
        fetched: fetched.length,
        replayed,
        messages: shown.map((one) => listData(one)),
      },
      text: listLines(context, shown, { name, scope, label }),
      plain: listRows(shown),
    };
  };
  return { ids: all.map(({ id }) => id), result };
}

/** Shows what is there, and then what comes, until it is stopped. */
async function follow(
  context: Context,
  reader: Reader,
  options: Options,
  { every, first }: { readonly every: number; readonly first: Looked },
): Promise<number> {
  const stop = new AbortController();
  const stopped = stopSignal().finally(() => stop.abort());
  let seq = 0;
  const write = (result: Result): void => {
    const lines = context.globals.json === true ? [envelope("inbox list", result)] : result.text;
    for (const line of lines) context.io.stdout.write(`${line}\n`);
  };
  write(await first.result(undefined, seq++));
  const told = new Set(first.ids);
  for (;;) {
    await sleep(every * 1_000, undefined, { signal: stop.signal }).catch(() => undefined);
    if (stop.signal.aborted) return exitAfter(await stopped);
    try {
      const { ids, result } = await look(context, reader, options);
      // Not only what this look has fetched: one that was cut off may have left some here, untold.
      const news = ids.filter((id) => !told.has(id));
      if (news.length > 0) write(await result(new Set(news), seq++));
      for (const id of news) told.add(id);
    } catch (error) {
      const { code, message } = describeError(error);
      // A registry that is away comes back; anything else does not mend itself.
      if (code !== "ERR_REGISTRY_UNREACHABLE" && code !== "ERR_REGISTRY_BUSY") throw error;
      context.warn(message);
    }
  }
}

function judgeOf(context: Context, { file, keys }: Reader, { view }: Snapshot, store: KeptMessages): Judge {
  return { did: file.did satisfies Did, keys, view, store, now: context.io.now() };
}

async function findId(store: KeptMessages, text: string): Promise<Digest> {
  const found = await store.matching(text);
  const [id] = found;
  if (id === undefined) throw notFound(text);
  if (found.length > 1) throw usage(`${visible(text, 80)} could be ${found.length} messages`, "give more of the id");
  return id;
}

function notFound(text: string): CliError {
  return new CliError("ERR_NOT_FOUND", `no message ${visible(text, 80)} is on this machine`, {
    hint: "peerage inbox fetches and lists them",
  });
}

function bodyLines({ ui }: Context, message: SealedMessage, text: string | undefined): string[] {
  if (text === undefined)
    return [`  ${ui.dim(`${message.body.length} bytes that are no text: --out <file> writes them`)}`];
  return visibleLines(text.replace(/\r?\n$/, "")).flatMap((line) => ui.wrap(line, 2).map((part) => `  ${part}`));
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(path, bytes, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw usage(
      codeOf(error) === "EEXIST"
        ? `${visible(path, 400)} is there already`
        : `${visible(path, 400)} cannot be written (${codeOf(error) ?? "unknown"})`,
      "name a new file in a folder that exists",
    );
  }
}
