import {
  generateRun,
  isDigest,
  type JsonObject,
  type JsonValue,
  type MultibaseKey,
  MAX_HISTORY_ENTRIES,
  parseEntry,
  parseJson,
  setMember,
  signEntry,
  unixSeconds,
} from "@peerage/core";
import { checkedDid } from "../../agents.ts";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { openHistory, readTokens, writeTokens } from "../../history-file.ts";
import type { Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage history append`: signs a step over the tips of a run and adds it to its file; without a file a run begins. */
export async function append(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const { step, result } = options;
  if (typeof step !== "string" || typeof result !== "string")
    throw usage("a step needs --step and --result", "--step fraud_check --result passed");
  const tokens = await readTokens(path);
  const history = tokens && (await openHistory(context, tokens));
  if (history && history.entries.length >= MAX_HISTORY_ENTRIES)
    throw new CliError("ERR_HISTORY_TOO_LONG", `a history has at most ${MAX_HISTORY_ENTRIES} entries`, {
      hint: "begin another run, in another file",
    });
  const now = context.io.now();
  const { tool, req, aud } = options;
  if (req !== undefined && !isDigest(req)) throw usage("--req is the digest of a request", "sha256: and 64 hex digits");
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  let token: string;
  try {
    token = await signEntry(signer, {
      run: history?.run ?? generateRun(),
      prev: history?.tips ?? [],
      step,
      result,
      ...(typeof tool === "string" ? { tool } : {}),
      ...(typeof req === "string" ? { req: req } : {}),
      ...(typeof aud === "string" ? { aud: aud.startsWith("did:") ? checkedDid(aud) : aud } : {}),
      ...(options["for"] === undefined ? {} : { exp: unixSeconds(now) + durationSeconds(options["for"], "--for") }),
      ...subOf(options),
      now,
    });
  } catch (error) {
    if (error instanceof RangeError) throw usage(error.message, "peerage help history append");
    throw error;
  }
  const entry = parseEntry(token, { keysOf: () => [signer.kid.split("#")[1] as MultibaseKey] });
  const all = [...(tokens ?? []), token];
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await writeTokens(path, all);
  const { ui } = context;
  return {
    data: { run: entry.run, digest: entry.digest, prev: entry.prev, entries: all.length, dryRun, token },
    text: [
      ...ui.facts([
        {
          mark: dryRun ? "none" : "ok",
          label: dryRun ? "would sign" : "signed",
          value: `${visible(step)} ${visible(result)} by ${styledDid(ui, signer.did)}`,
        },
        { label: "digest", value: entry.digest },
        { label: "run", value: `${entry.run}, step ${all.length}${history ? "" : ", its first"}` },
      ]),
      ...(dryRun ? ["", token] : []),
    ],
    plain: [[entry.digest, entry.run]],
  };
}

/** The small facts of `--sub name=value`: whole numbers, or text. */
function subOf(options: Options): { sub?: JsonObject } {
  const pairs = (options["sub"] as string[] | undefined) ?? [];
  if (pairs.length === 0) return {};
  const sub: Record<string, JsonValue> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) throw usage(`${visible(pair)} is no fact`, "--sub risk=12");
    setMember(sub, pair.slice(0, at), factOf(pair.slice(at + 1)));
  }
  return { sub };
}

function factOf(text: string): JsonValue {
  try {
    const value = parseJson(text);
    return typeof value === "number" ? value : text;
  } catch {
    return text;
  }
}
