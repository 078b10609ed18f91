import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type CheckpointPolicy,
  fromUtf8,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseCallProof,
  parseJson,
  parseVerifierKey,
  placeOf,
  utf8,
  type View,
} from "@peerage/core";
import { checkedDid } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError, describeError, usage } from "../errors.ts";
import { readBook } from "../files/book.ts";
import { readInput } from "../files/read-input.ts";
import { openSnapshot, pinsForm, type Snapshot } from "../network.ts";
import { FILE_MANIFEST_ENDING, FOLDER_MANIFEST } from "../manifest/manifest.ts";
import type { Result } from "../output.ts";
import { download, isWebAddress, signedBy, verifyPlace, wantedSigner } from "../proofs/web.ts";
import type { Args } from "../tree.ts";
import { Progress } from "../ui/progress.ts";
import { visible } from "../ui/visible.ts";
import type { Verdict } from "../verify/check.ts";
import { verifyCredential } from "../verify/foreign/credential.ts";
import { type ForeignGiven, readKeys, verifyForeignJson, verifyForeignText } from "../verify/foreign/index.ts";
import { viewFor } from "../verify/later-keys.ts";
import { type Asked, coversAsked, verifyManifestFile } from "../verify/manifest.ts";
import {
  type LogKeys,
  verifyCheckpointText,
  verifyEvidence,
  verifyLogProofText,
  verifyStatementText,
} from "../verify/statements.ts";
import { type Given, verifyCallProof, verifyCallRecord, verifyEntry, verifyWholeHistory } from "../verify/tokens.ts";

const MAX_BYTES = 4 * 1_048_576;

/** `peerage verify`: recognises a signed thing and makes every check of it. Exit 6 if it is not authentic, 3 if not good now. */
export async function run(context: Context, { words: [given = ""], options }: Args): Promise<Result> {
  const started = performance.now();
  const verdict = await verdictOf(context, given, options);
  const exit = verdict.verdict === "valid" ? 0 : verdict.verdict === "not-now" ? 3 : 6;
  const { ui } = context;
  const took = performance.now() - started;
  const summary = verdict.verdict === "valid" ? ui.good(verdict.summary) : ui.bad(verdict.summary);
  return {
    exit,
    data: {
      type: verdict.type,
      verdict: verdict.verdict,
      checks: verdict.checks,
      summary: verdict.summary,
      ...(verdict.data ? { content: verdict.data } : {}),
    },
    text: [
      ...ui.facts(verdict.checks.map(({ name, state, text }) => ({ mark: state, label: name, value: text }))),
      `  ${summary}   ${ui.dim(`${verdict.type} ${ui.mark.dot} exit ${exit} ${ui.mark.dot} checked in ${Math.max(1, Math.round(took))} ms`)}`,
    ],
    plain: verdict.checks.map(({ name, state, text }) => [name, state, text]),
  };
}

async function verdictOf(context: Context, given: string, options: Options): Promise<Verdict> {
  const now = timeOf(options, context.io.now());
  const by = await wantedSigner(context, textOf(options["by"]));
  const place = isWebAddress(given) ? placeOf(given) : undefined;
  const logs = await logKeys(context, options);
  if (place) {
    if (options["at"] !== undefined)
      throw usage(
        "a place on the web is read now, so --at says nothing of it",
        `peerage verify ${visible(given, 200)}`,
      );
    await askNamed(context, logs);
    return verifyPlace(context, place, by, logs.snapshot);
  }
  const { path, asked }: Found = isWebAddress(given) ? { path: "-" } : await manifestOf(given);
  const bytes = isWebAddress(given) ? await download(given, MAX_BYTES) : await readInput(context, path, MAX_BYTES);
  const recognised = await recognise(context, bytes, options, now, path, logs);
  const verdict = asked ? coversAsked(recognised, asked) : recognised;
  return by === undefined ? verdict : signedBy(verdict, by);
}

/** What is read, and where that is the manifest of something: of what. */
interface Found {
  readonly path: string;
  readonly asked?: Asked;
}

/** Where the manifest of a folder, or of a file that has one beside it, stands; anything else is looked at itself. */
async function manifestOf(path: string): Promise<Found> {
  if (path === "-") return { path };
  const about = await stat(path).catch(() => undefined);
  if (about?.isDirectory() === true) {
    const manifest = join(path, FOLDER_MANIFEST);
    if (await stat(manifest).catch(() => undefined)) return { path: manifest, asked: { folder: true } };
    throw new CliError("ERR_NOT_FOUND", `nobody has signed ${visible(path, 200)}: it holds no ${FOLDER_MANIFEST}`, {
      hint: `peerage sign ${visible(path, 200)}`,
    });
  }
  const beside = `${path}${FILE_MANIFEST_ENDING}`;
  return (await stat(beside).catch(() => undefined)) ? { path: beside, asked: { file: basename(path) } } : { path };
}

async function recognise(
  context: Context,
  bytes: Uint8Array,
  options: Options,
  now: Date,
  path: string,
  logs: LogKeys,
): Promise<Verdict> {
  const text = decode(bytes);
  await askNamed(context, logs);
  const view = await viewFor(text, logs.snapshot);
  const given = await givenOf(context, options, now, view);
  const trimmed = text.trim();
  const foreign: ForeignGiven = {
    ...given,
    keys: await keysOf(context, textOf(options["key"])),
    roots: await context.roots(),
  };
  const others = verifyForeignText(bytes, text, foreign);
  if (others) return others;
  if (/^[\w-]+\.[\w-]*\.[\w-]*$/.test(trimmed)) return token(trimmed, given);
  if (text.startsWith("c2sp.org/tlog-proof@")) {
    const path = textOf(options["statement"]);
    return verifyLogProofText(
      text,
      path === undefined ? undefined : withoutLineEnd(await readInput(context, path, MAX_BYTES)),
      now,
      logs,
    );
  }
  if (text.includes("\n\n\u2014 ")) return verifyCheckpointText(text, now, logs);
  let json: JsonValue;
  try {
    json = parseJson(bytes, { maxBytes: MAX_BYTES });
  } catch (error) {
    const { code, message } = describeError(error);
    return {
      type: "unknown",
      checks: [{ name: "form", state: "no", text: message, code }],
      verdict: "invalid",
      summary: "Nothing that can be verified.",
    };
  }
  if (typeof json === "string") return token(json, given);
  if (Array.isArray(json)) return verifyWholeHistory(json, given);
  if (isJsonObject(json)) {
    if (json["type"] === "ForkEvidence") return verifyEvidence(json);
    if (json["type"] === "Manifest") {
      if (path === "-") throw usage("a manifest is verified beside its files", "peerage verify <folder>");
      const progress = new Progress(context, "reading files");
      const showing = (done: number, total: number): void => progress.show(done, total);
      return verifyManifestFile(json, path, now, view, showing).finally(() => progress.end());
    }
    if (json["proof"] !== undefined && json["receipt"] !== undefined) return verifyCallRecord(json, given);
    if (isOurs(json)) return verifyStatementText(utf8(trimmed), now, logs, view);
    const otherwise = verifyForeignJson(json, foreign);
    if (otherwise) return otherwise;
    if (isJsonObject(json["proof"])) return verifyCredential(json, foreign);
    const carried = proofIn(json);
    if (carried !== undefined) return verifyCallProof(carried, { ...given, message: json });
  }
  return {
    type: "unknown",
    checks: [
      {
        name: "form",
        state: "no",
        text: "no statement, call proof, receipt, history, checkpoint or log proof",
        code: "ERR_REQUEST_INVALID",
      },
    ],
    verdict: "invalid",
    summary: "Nothing that can be verified.",
  };
}

/** Who names a registry in the command wants its word: without it a key that was lost would pass as any other. */
async function askNamed({ globals }: Context, { snapshot }: LogKeys): Promise<void> {
  if (globals.registry !== undefined) await snapshot();
}

function token(text: string, given: Given): Promise<Verdict> {
  // Only to choose the words: what the header says is believed by nobody until the signature holds.
  const header = Buffer.from(text.split(".")[0] ?? "", "base64url").toString("latin1");
  return header.includes("peerage-call+jwt") ? verifyCallProof(text, given) : verifyEntry(text, given);
}

function isOurs(json: JsonObject): boolean {
  const type = json["type"];
  if (Array.isArray(type)) return type.includes("Vouch");
  return ["Revocation", "AgentProfile", "KeyEvent", "Report"].includes(typeof type === "string" ? type : "");
}

function proofIn(json: JsonObject): string | undefined {
  const params = json["params"];
  const meta = isJsonObject(params) ? params["_meta"] : undefined;
  const proof = isJsonObject(meta) ? meta["dev.peerage/call"] : undefined;
  return typeof proof === "string" ? proof : undefined;
}

async function givenOf(context: Context, options: Options, now: Date, view: View | undefined): Promise<Given> {
  const call = textOf(options["call"]);
  const server = textOf(options["server"]);
  const message = await jsonFile(context, textOf(options["message"]));
  if (message !== undefined && !isJsonObject(message)) throw usage("--message is a JSON-RPC message");
  return {
    now,
    view,
    audience: textOf(options["audience"]),
    server: server === undefined ? undefined : checkedDid(server),
    call: call === undefined ? undefined : await callFile(context, call, view),
    message,
    result: await jsonFile(context, textOf(options["result"])),
  };
}

async function callFile(context: Context, path: string, view: View | undefined): Promise<NonNullable<Given["call"]>> {
  const text = decode(await readInput(context, path, MAX_BYTES)).trim();
  try {
    return parseCallProof(text, view ? { keysOf: (did) => view.keysOf(did) } : {});
  } catch (error) {
    throw new CliError("ERR_PROOF_INVALID", `${path}: ${describeError(error).message}`, { cause: error });
  }
}

async function keysOf(context: Context, path: string | undefined): Promise<ForeignGiven["keys"]> {
  return path === undefined ? [] : readKeys(await readInput(context, path, MAX_BYTES));
}

/** The logs whose keys are known: those named by flags, and those pinned at first contact. */
async function logKeys(context: Context, options: Options): Promise<LogKeys> {
  const key = textOf(options["logKey"]);
  const origin = textOf(options["origin"]);
  const policies: CheckpointPolicy[] = [];
  if (key !== undefined) {
    const logKey = parseVerifierKey(key);
    policies.push({ origin: origin ?? logKey.name, logKey });
  }
  const pins = (await readBook(join(context.paths.data, "registries.json"), pinsForm))?.pins ?? {};
  for (const pin of Object.values(pins)) {
    policies.push({
      origin: pin.origin,
      logKey: parseVerifierKey(pin.logKey),
      operatorWitness: parseVerifierKey(pin.witnessKey),
    });
  }
  let snapshot: Promise<Snapshot | undefined> | undefined;
  return {
    policies,
    snapshot: () =>
      (snapshot ??= (async () => ((await context.registry()) === undefined ? undefined : openSnapshot(context)))()),
  };
}

async function jsonFile(context: Context, path: string | undefined): Promise<JsonValue | undefined> {
  if (path === undefined) return undefined;
  try {
    return parseJson(await readInput(context, path, MAX_BYTES), { maxBytes: MAX_BYTES });
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usage(`${path}: ${describeError(error).message}`);
  }
}

/** A statement has no line end; a file of it often does. */
function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function decode(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return "";
  }
}

function timeOf(options: Options, now: Date): Date {
  const at = options["at"];
  if (at === undefined) return now;
  if (typeof at !== "string" || Number.isNaN(Date.parse(at)))
    throw usage("--at is a time", "--at 2027-01-31T12:00:00Z");
  return new Date(at);
}

function textOf(value: Options[string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}
