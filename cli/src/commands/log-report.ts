import { readFile } from "node:fs/promises";
import {
  canonicalize,
  didFromPublicKey,
  digest,
  formatVerifierKey,
  isPeerageError,
  issueReport,
  type JsonObject,
  type JsonValue,
  parseJson,
  parseVerifierKey,
  verifyForkEvidence,
  verifyLogEnd,
} from "@peerage/core";
import { z } from "zod";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { isRegistryUrl } from "../files/config.ts";
import { codeOf } from "../files/safe-file.ts";
import { request } from "../http.ts";
import { connect } from "../network.ts";
import type { Result } from "../output.ts";
import { submit } from "../submit.ts";
import type { Args } from "../tree.ts";
import { visible } from "../ui/visible.ts";

const MAX_EVIDENCE_BYTES = 16 * 1024;
const taken = z.object({ digest: z.string() });

/**
 * `peerage log report`: hands evidence about a log to another registry, and reports the log there, signed. The evidence is
 * a proof of a fork in a file; or the address of a log that has ended, whose last head is then the evidence.
 */
export async function run(context: Context, { words: [word = ""], options }: Args): Promise<Result> {
  const registry = await context.needRegistry();
  const evidence = isRegistryUrl(word) ? await lastHead(context, word.replace(/\/+$/, "")) : await readEvidence(word);
  const category = evidence["type"] === "LogEnd" ? "log-ended" : "log-fork";
  const checked = await check(evidence, category);
  const name = digest(evidence);
  if (context.globals.yes !== true && context.canAsk) {
    const yes = await context.confirm(`Report ${visible(checked.origin, 200)} (${category})? It is public for ever.`);
    if (!yes) throw usage("nothing was reported");
  }
  const { body } = await request(registry, "/v1/forks", { method: "POST", body: canonicalize(evidence) });
  if (taken.safeParse(body).data?.digest !== name) {
    throw new CliError("ERR_REGISTRY_RESPONSE", `${registry} answered for other evidence`);
  }
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const subject = didFromPublicKey(parseVerifierKey(checked.vkey).publicKey.bytes);
  const report = await issueReport(signer, { subject, category, evidence: [name], now: context.io.now() });
  const { index } = await submit(registry, report);
  return {
    data: { registry, origin: checked.origin, category, evidence: name, id: report.id, index },
    text: context.ui.facts([
      { mark: "ok", label: "reported", value: `${visible(checked.origin, 200)}: ${category}` },
      { label: "evidence", value: name },
      { label: "log", value: `entry #${index} of ${registry}` },
    ]),
    plain: [[checked.origin, category, name, report.id, index]],
  };
}

async function check(
  evidence: JsonObject,
  category: "log-ended" | "log-fork",
): Promise<{ origin: string; vkey: string }> {
  try {
    return category === "log-ended" ? await verifyLogEnd(evidence) : await verifyForkEvidence(evidence);
  } catch (error) {
    if (isPeerageError(error))
      throw new CliError(error.code, `this proves nothing about a log: ${error.message}`, { exit: 6 });
    throw error;
  }
}

async function lastHead(context: Context, url: string): Promise<JsonObject> {
  const reader = await connect(context, url);
  const { note } = await reader.checkpoint();
  return { type: "LogEnd", origin: reader.origin, vkey: formatVerifierKey(reader.logKey), checkpoint: note };
}

async function readEvidence(path: string): Promise<JsonObject> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new CliError("ERR_NOT_FOUND", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`, {
      hint: "peerage log watch keeps what it proves in files",
    });
  }
  let value: JsonValue;
  try {
    value = parseJson(bytes, { maxBytes: MAX_EVIDENCE_BYTES });
  } catch (error) {
    throw new CliError("ERR_REQUEST_INVALID", `${visible(path, 200)} holds no evidence`, { exit: 6, cause: error });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CliError("ERR_REQUEST_INVALID", `${visible(path, 200)} holds no evidence`, { exit: 6 });
}
