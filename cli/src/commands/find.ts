import { type Did, scoreVector } from "@peerage/core";
import { ownName } from "../agents.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { freshSnapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledFingerprint } from "../ui/agent.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { logData, logLabel, viewpointOf } from "../viewpoint.ts";

/** `peerage find`: agents of the registry by name or by part of their DID, the most trusted first. */
export async function run(context: Context, { words, options }: Args): Promise<Result> {
  const limit = Number(options["limit"] ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw usage("--limit is a whole number from 1 to 10000");
  const scope = await context.scope(options["scope"]);
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const { view, names } = snapshot;
  const viewpoint = await viewpointOf(context, options, snapshot);
  const scores = scoreVector(view.graph(scope), viewpoint.roots);
  const dids = [...view.agents()];
  const selfNames = await names.ofAll(view, dids);
  const found: Found[] = [];
  for (const did of dids) {
    const name = await ownName(context, did);
    const selfName = selfNames.get(did);
    if (!words.every((word) => fits(word, did, name, selfName))) continue;
    found.push({ did, name, selfName, score: scores.score(did) });
  }
  if (found.length === 0 && words.length > 0) {
    const what = visible(words.join(" "), 80);
    throw new CliError("ERR_NOT_FOUND", `no agent fits ${what}`, { hint: "peerage find shows all of them" });
  }
  found.sort((a, b) => rank(b.score) - rank(a.score) || (a.did < b.did ? -1 : 1));
  const shown = found.slice(0, limit).map((entry) => ({ ...entry, record: view.agent(entry.did) }));
  const { ui } = context;
  const rows = shown.map(({ did, name, selfName, score, record }) => [
    score === "unknown" ? ui.dim("unknown") : `${score.toFixed(2)}   `,
    styledFingerprint(ui, did),
    name === undefined ? ui.dim(selfName === undefined ? "–" : visible(selfName, 24)) : ui.bold(name),
    ui.dim(
      count(record?.received.filter(({ status }) => status === "in-force").length ?? 0, "vouch").replace(
        /vouchs$/,
        "vouches",
      ),
    ),
  ]);
  const rest = found.length - shown.length;
  return {
    data: {
      scope,
      total: found.length,
      agents: shown.map(({ did, name, selfName, score, record }) => ({
        did,
        ...(name === undefined ? {} : { name }),
        ...(selfName === undefined ? {} : { selfName }),
        score,
        status: record?.key.status ?? "active",
        since: record?.first.index ?? null,
      })),
      log: logData(snapshot),
    },
    text: [
      ...(rows.length === 0 ? ["  nobody is registered yet"] : ui.table(rows)),
      ...(rest > 0 ? [`  ${ui.dim(`and ${rest} more   --limit ${found.length}`)}`] : []),
      ...ui
        .wrap(`as seen by ${viewpoint.label} ${ui.mark.dot} scope ${scope} ${ui.mark.dot} ${logLabel(snapshot)}`, 2)
        .map((line) => `  ${ui.dim(line)}`),
    ],
    plain: shown.map(({ did, name, selfName, score }) => [did, score, name ?? "", visible(selfName ?? "")]),
  };
}

interface Found {
  readonly did: Did;
  readonly name: string | undefined;
  readonly selfName: string | undefined;
  readonly score: number | "unknown";
}

function fits(word: string, did: Did, name: string | undefined, selfName: string | undefined): boolean {
  const lower = word.toLowerCase();
  return did.includes(word) || name?.includes(lower) === true || selfName?.toLowerCase().includes(lower) === true;
}

function rank(score: number | "unknown"): number {
  return score === "unknown" ? -1 : score;
}
