import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  checkSigningKey,
  type Did,
  formatTime,
  fromUtf8,
  MAX_MESSAGE_BODY_BYTES,
  MAX_MESSAGE_SECONDS,
  type MultibaseKey,
  signMessage,
  unixSeconds,
  utf8,
} from "@peerage/core";
import { findAgentToSign } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { seal } from "../messages/age.ts";
import { deliver, messageId, postOf } from "../messages/post.ts";
import { directory, freshSnapshot, type Snapshot } from "../network.ts";
import type { Result } from "../output.ts";
import { durationSeconds } from "../policy/durations.ts";
import type { Args } from "../tree.ts";
import { fingerprint, styledDid } from "../ui/agent.ts";
import { visible } from "../ui/visible.ts";

const LINE_END = 10;

/** `peerage send`: seals a message to the key that stands behind an agent now, and hands it to the registry. */
export async function run(context: Context, { words: [to = "", text], options }: Args): Promise<Result> {
  const seconds = options["for"] === undefined ? MAX_MESSAGE_SECONDS : durationSeconds(options["for"], "--for");
  if (seconds > MAX_MESSAGE_SECONDS) throw usage("--for is at most 30d");
  const me = await context.identityFile();
  const body = await bodyOf(context, text, options);
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const { view, url, names } = snapshot;
  const { did } = await findAgentToSign(context, to, "a message", () => directory(view, names));
  const key = currentKey(snapshot, me, did);
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const now = context.io.now();
  const content = await signMessage(signer, { recipient: did, body, now, seconds });
  const sealed = await seal(key, content);
  const dryRun = options["dryRun"] === true;
  const post = postOf(context, url, snapshot.reader.origin, signer);
  const { fresh } = dryRun ? { fresh: false } : await deliver(post, did, sealed);
  const id = messageId(sealed);
  const expires = formatTime(unixSeconds(now) + seconds);
  const { ui } = context;
  // What is signed; behind it come the body and zeros.
  const token = fromUtf8(content.subarray(0, content.indexOf(LINE_END)));
  return {
    data: {
      id,
      from: signer.did,
      to: did,
      key,
      registry: url,
      bytes: body.length,
      sealedBytes: sealed.length,
      expires,
      fresh,
      dryRun,
      // The next run sends others: each message has a number and a key of its own.
      ...(dryRun ? { token, sealed: Buffer.from(sealed).toString("base64") } : {}),
    },
    text: [
      ...ui.facts([
        { mark: dryRun ? "none" : "ok", label: dryRun ? "would send" : "sent", value: styledDid(ui, did) },
        { label: "message", value: id },
        { label: "size", value: `${body.length} bytes, ${sealed.length} sealed` },
        { label: "sealed to", value: key === did.slice(8) ? "its first key" : `the key it has now, ${key}` },
        { label: "kept", value: `at ${url} until it is fetched, ${expires} at the latest` },
      ]),
      ...(dryRun ? ["", token] : []),
    ],
    plain: [[id, did, body.length, sealed.length, expires]],
  };
}

/** The key that stands behind the recipient now; both must have joined, or the registry would refuse. */
function currentKey(
  { view, url }: Snapshot,
  me: { readonly did: string; readonly name: string },
  did: Did,
): MultibaseKey {
  if (did === me.did) throw usage("a message is for somebody else");
  if (!view.profileOf(did)) {
    throw new CliError("ERR_NOT_FOUND", `${fingerprint(did)} has not joined ${url}: nothing can be kept for it there`, {
      hint: `it runs: peerage init --registry ${url}`,
    });
  }
  const { status, current } = view.keyState(did);
  checkSigningKey(`${did}#${current}`, { status, current });
  return current;
}

async function bodyOf(context: Context, text: string | undefined, options: Options): Promise<Uint8Array> {
  const file = options["file"];
  if ((text === undefined) === (file === undefined))
    throw usage("a message is a text, - for stdin, or a file", "peerage send <agent> 'text', or --file <path>");
  const body =
    typeof file === "string"
      ? await readFileBytes(resolve(context.io.cwd, file))
      : text === "-"
        ? await readAll(context.io.stdin)
        : utf8(text ?? "");
  if (body.length === 0) throw usage("the message is empty");
  if (body.length > MAX_MESSAGE_BODY_BYTES)
    throw usage(`a message has at most ${MAX_MESSAGE_BODY_BYTES} bytes`, "send where to find it, and its digest");
  return body;
}

/** The bytes of a file, or one more than can be sent. */
async function readFileBytes(path: string): Promise<Uint8Array> {
  const unreadable = (error: unknown): never => {
    throw new CliError("ERR_NOT_FOUND", `${visible(path, 400)} cannot be read (${codeOf(error) ?? "unknown"})`, {
      hint: "give the path of a file",
    });
  };
  // Asked before it is opened: to open a pipe is to wait for whoever writes to it.
  if (!(await stat(path).catch(unreadable)).isFile()) throw usage(`${visible(path, 400)} is not a file`);
  const file = await open(path).catch(unreadable);
  try {
    const bytes = new Uint8Array(MAX_MESSAGE_BODY_BYTES + 1);
    let size = 0;
    for (let more = -1; more !== 0 && size < bytes.length; size += more)
      more = (await file.read(bytes, size, bytes.length - size)).bytesRead;
    return bytes.slice(0, size);
  } finally {
    await file.close();
  }
}

/** Reads a stream to its end, and not far beyond what can be sent. */
async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Uint8Array);
    chunks.push(bytes);
    size += bytes.length;
    if (size > MAX_MESSAGE_BODY_BYTES) break;
  }
  return new Uint8Array(Buffer.concat(chunks));
}
