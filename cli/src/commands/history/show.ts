import { fieldsOf, type History } from "@peerage/core";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { countsByItself, openHistory, readTokens } from "../../history-file.ts";
import type { Result } from "../../output.ts";
import { refusedResult } from "../../refused.ts";
import type { Args } from "../../tree.ts";
import { fieldLines } from "../../ui/field-lines.ts";
import { count, rfc3339 } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";
import { Labels } from "../../viewpoint.ts";

/** `peerage history show`: the signed steps of a run, in order, each with who signed it and on what it builds. */
export async function show(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const history = await read(context, path);
  const labels = new Labels(context);
  const { ui } = context;
  const lines: string[] = [];
  for (const [i, entry] of history.entries.entries()) {
    const { issuer, step, result, issuedAt, expiresAt, tool, req, audience, prev, sub } = entry;
    const on = prev.map((digest) => `#${history.entries.findIndex((one) => one.digest === digest)}`).join(" ");
    lines.push(
      ...ui.table([
        [
          ui.good(ui.mark.on),
          `#${i}`,
          await labels.of(issuer),
          `${visible(step)} ${visible(result)}${tool === undefined ? "" : ` ${visible(tool, 40)}`}`,
          `${rfc3339(issuedAt)}${on === "" ? "" : ` on ${on}`}`,
        ],
      ]),
    );
    if (options["full"] !== true) continue;
    const facts = {
      did: issuer,
      digest: entry.digest,
      ...(req && { req }),
      ...(audience && { audience }),
      ...(expiresAt && { expires: rfc3339(expiresAt) }),
    };
    lines.push(
      ...fieldLines(
        [
          ...Object.entries(facts).map(([name, value]) => ({ path: name, value: visible(value, 300) })),
          ...(sub ? fieldsOf(sub, "sub") : []),
        ],
        ui.columns,
        8,
      ),
    );
  }
  return {
    data: dataOf(history),
    text: [
      ...lines,
      "",
      `  run ${history.run}   ${count(history.entries.length, "step")}, each signed, each over the one before`,
    ],
    plain: history.entries.map(({ digest, issuer, step, result, issuedAt }) => [
      digest,
      issuer,
      step,
      result,
      rfc3339(issuedAt),
    ]),
  };
}

/** `peerage history verify`: the whole history or nothing. Exit 6 at the first entry that does not hold. */
export async function verify(context: Context, { words: [path = ""] }: Args): Promise<Result> {
  let history: History;
  try {
    history = await read(context, path, countsByItself);
  } catch (error) {
    return refusedResult(context, "history", error);
  }
  const signers = new Set(history.entries.map(({ issuer }) => issuer));
  const { ui } = context;
  return {
    data: dataOf(history),
    text: ui.facts([
      {
        mark: "ok",
        label: "history",
        value: `${count(history.entries.length, "step")} of one run, each signed, each over the one before`,
      },
      { mark: "ok", label: "signers", value: String(signers.size) },
      { label: "run", value: history.run },
      ...history.tips.map((tip) => ({ label: "tip", value: tip })),
      { mark: "none", label: "whole", value: "a history proves what is in it, never that nothing came after" },
    ]),
    plain: [[history.run, history.entries.length, history.tips.join(" ")]],
  };
}

async function read(context: Context, path: string, counts?: Parameters<typeof openHistory>[2]): Promise<History> {
  const tokens = await readTokens(path);
  if (!tokens) throw new CliError("ERR_NOT_FOUND", `there is no file ${visible(path, 200)}`);
  return openHistory(context, tokens, counts);
}

function dataOf({ run, entries, tips }: History): object {
  return {
    run,
    tips,
    entries: entries.map(({ token: _, kid: _kid, issuedAt, expiresAt, ...entry }) => ({
      ...entry,
      at: rfc3339(issuedAt),
      ...(expiresAt === undefined ? {} : { expires: rfc3339(expiresAt) }),
    })),
  };
}
