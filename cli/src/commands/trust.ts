import { type Did, type Explanation, explainTrust, type VouchRecord } from "@peerage/core";
import { findAgent } from "../agents.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { directory, freshSnapshot, type Snapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { agentLabel, styledFingerprint } from "../ui/agent.ts";
import type { Terminal } from "../ui/terminal.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { Labels, logData, logLabel, standing, viewpointOf } from "../viewpoint.ts";

/** `peerage trust`: the score of an agent from my roots, and why. Exit 3 if unknown, revoked, or below `--min`. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const min = minimum(options["min"]);
  const scope = await context.scope(options["scope"]);
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  const { view, names, url } = snapshot;
  const agent = await findAgent(context, text, () => directory(view, names));
  const { roots, label } = await viewpointOf(context, options, snapshot);
  const record = view.agent(agent.did);
  const graph = view.graph(scope);
  const notCounted = (record?.received ?? [])
    .filter(({ scopes }) => !scopes.includes(scope))
    .map((vouch) => ({ vouch: vouch.statement, reason: reasonOf(vouch, scope) }));
  const told = explainTrust(graph, {
    roots,
    target: agent.did,
    notCounted,
    logSize: view.size,
    ...(min === undefined ? {} : { threshold: min }),
  });
  const status = standing(view, agent.did);
  const trusted = status === "active" && told.score !== "unknown" && told.score >= (min ?? 0);
  const answer: Answer = {
    did: agent.did,
    name: agent.name,
    selfName: agent.selfName ?? (await names.of(view, agent.did)),
    scope,
    min,
    told,
    status,
    trusted,
    viewpoint: label,
    hasRoots: roots.length > 0,
  };
  return {
    exit: trusted ? 0 : 3,
    data: {
      agent: agent.did,
      ...(agent.name === undefined ? {} : { name: agent.name }),
      ...(answer.selfName === undefined ? {} : { selfName: answer.selfName }),
      scope,
      score: told.score,
      ...(min === undefined ? {} : { min }),
      trusted,
      status,
      roots,
      evidence: told.evidence,
      contributions: told.contributions,
      independentVouchers: told.independentVouchers,
      ...(told.holdsUp ? { holdsUp: told.holdsUp } : {}),
      ...(told.raise ? { raise: told.raise } : {}),
      powerless: told.powerless,
      notCounted: told.notCounted.map(({ vouch, reason }) => ({ id: vouch.id, issuer: vouch.issuer, reason })),
      provenance: told.provenance,
      log: logData(snapshot),
    },
    text: await lines(context, answer, snapshot, options["explain"] === true, url),
    plain: [[agent.did, scope, told.score, trusted ? "yes" : "no"]],
  };
}

interface Answer {
  readonly did: Did;
  readonly name: string | undefined;
  readonly selfName: string | undefined;
  readonly scope: string;
  readonly min: number | undefined;
  readonly told: Explanation;
  readonly status: "active" | "burnt" | "suspended" | "disputed";
  readonly trusted: boolean;
  readonly viewpoint: string;
  readonly hasRoots: boolean;
}

async function lines(
  context: Context,
  answer: Answer,
  snapshot: Snapshot,
  all: boolean,
  url: string,
): Promise<string[]> {
  const { ui } = context;
  const { told, did } = answer;
  const labels = new Labels(context);
  const self =
    answer.name === undefined && answer.selfName !== undefined
      ? `  ${ui.dim(`calls itself ${visible(answer.selfName, 32)}`)}`
      : "";
  const out = [`  ${agentLabel(ui, did, answer.name)}${self}`, `  ${verdict(ui, answer)}`];
  const chains = told.contributions.length;
  out.push(
    `  ${ui.dim(`as seen by ${answer.viewpoint} ${ui.mark.dot} scope`)} ${ui.accent(answer.scope)}${ui.dim(` ${ui.mark.dot} ${count(chains, "chain")}`)}`,
  );
  if (chains > 0) {
    const shown = told.contributions.toSorted((a, b) => b.value - a.value).slice(0, all ? undefined : 8);
    out.push("");
    const rows: string[][] = [];
    for (const { value, chain } of shown)
      rows.push([ui.good(`+${value.toFixed(2)}`), await chainText(ui, labels, chain)]);
    out.push(...ui.table(rows));
    if (all) out.push("", ...arithmetic(told).map((line) => `  ${ui.dim(line)}`));
    if (shown.length < chains)
      out.push(`  ${ui.dim(`and ${count(chains - shown.length, "smaller one")}   --explain shows all`)}`);
  }
  out.push("", ...ui.table(await remarks(ui, labels, answer, snapshot, all)));
  if (all) out.push(...provenance(told).map((line) => `  ${ui.dim(line)}`));
  if (told.score !== "unknown") out.push(`  ${ui.link(`${url}/a/${did}`)}`);
  return out;
}

/** The working of each chain in the order shown, and what it adds up to. */
function arithmetic({ contributions, unlisted, evidence }: Explanation): string[] {
  const factor = (value: number): string => String(Number(value.toFixed(6)));
  const lines = contributions
    .toSorted((a, b) => b.value - a.value)
    .map(({ root, decay, power, dilution, weight, value }) => {
      const parts = `decay ${factor(decay)} × power ${factor(power)} × dilution ${factor(dilution)} × ${factor(weight)}`;
      return `${value.toFixed(6)}  ${root ? `a root's word in full: ${factor(weight)}` : parts}`;
    });
  if (unlisted?.contributions)
    lines.push(`${unlisted.value.toFixed(6)}  ${count(unlisted.contributions, "more chain")}`);
  return [...lines, `${evidence.toFixed(6)}  evidence${evidence > 1 ? ", of which 1 counts" : ""}`];
}

/** With what it was computed, so that anybody can compute it again. */
function provenance({ provenance: { metric, parameters, roots, edges, edgeCount } }: Explanation): string[] {
  const values = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return [
    `computed by  ${metric}: ${values.join(", ")}`,
    `roots        ${roots}`,
    `edges        ${edges}, ${count(edgeCount, "vouch")}`,
  ];
}

function verdict(ui: Terminal, { told, status, trusted, min }: Answer): string {
  const asked = min === undefined ? "" : `  ${ui.dim(`(you asked for ${min.toFixed(2)})`)}`;
  if (status !== "active") return `${ui.bad(ui.mark.no)}  ${ui.bad(status)}: its key no longer counts${asked}`;
  if (told.score === "unknown")
    return `${ui.warn(ui.mark.off)}  ${ui.warn("unknown")}: no chain leads from there to it${asked}`;
  const word = min === undefined ? ui.dim(rank(told.score)) : trusted ? ui.good("trusted") : ui.bad("not enough");
  return `${ui.bold(told.score.toFixed(2))}  ${ui.bar(told.score)}  ${word}${asked}`;
}

function rank(score: number): string {
  if (score >= 0.5) return "enough for sensitive tools (0.50)";
  if (score >= 0.25) return "enough for ordinary tools (0.25)";
  return "below what tools usually ask (0.25)";
}

async function chainText(
  ui: Terminal,
  labels: Labels,
  chain: Explanation["contributions"][number]["chain"],
): Promise<string> {
  const first = chain[0];
  if (!first) return "";
  const words = [await labels.of(first.issuer)];
  for (const { subject, confidence } of chain) {
    words.push(ui.dim(`${ui.mark.rule}${confidence}${ui.mark.arrow}`), await labels.of(subject));
  }
  return words.join(" ");
}

async function remarks(
  ui: Terminal,
  labels: Labels,
  answer: Answer,
  snapshot: Snapshot,
  all: boolean,
): Promise<string[][]> {
  const rows: string[][] = [];
  const { told } = answer;
  if (told.holdsUp) {
    const { issuer, subject, vouch, scoreAfter } = told.holdsUp;
    const who = await labels.of(issuer);
    const whose = who === "you" ? "your own vouch" : `the vouch of ${who}`;
    const whom = subject === told.target ? "" : ` for ${await labels.of(subject)}`;
    const index = snapshot.view.statement(vouch)?.index;
    const after = scoreAfter === "unknown" ? "unknown" : scoreAfter.toFixed(2);
    rows.push([
      ui.warn("holds it up"),
      `${whose}${whom}${index === undefined ? "" : ` (#${index})`}. Without it: ${after}`,
    ]);
  }
  if (told.raise) {
    const options = await Promise.all(
      told.raise.options.map(
        async ({ by, confidence }) =>
          `${(await Promise.all(by.map((did) => labels.of(did)))).join(" and ")} vouching ${confidence}`,
      ),
    );
    rows.push([
      ui.dim("would do"),
      options.length === 0 ? "no new vouch by anyone with weight is enough" : options.join(", or "),
    ]);
  }
  if (told.powerless.length > 0) {
    const who = all ? `: ${(await Promise.all(told.powerless.map((did) => labels.of(did)))).join(" ")}` : "";
    rows.push([
      ui.dim("no weight"),
      `${count(told.powerless.length, "vouch")} by agents whom your roots give none${who}`,
    ]);
  }
  if (told.notCounted.length > 0) {
    if (!all) rows.push([ui.dim("left out"), `${told.notCounted.length}: expired, revoked, or for another scope`]);
    for (const { vouch, reason } of all ? told.notCounted : [])
      rows.push([ui.dim("left out"), `${styledFingerprint(ui, vouch.issuer)}  ${reason}`]);
  }
  if (!answer.hasRoots) rows.push([ui.warn("begin with"), "peerage roots add <agent>, or here: --root <agent>"]);
  rows.push([ui.dim("checked"), logLabel(snapshot)]);
  return rows;
}

function reasonOf({ status, statement }: VouchRecord, scope: string): string {
  return status === "in-force" ? `for ${statement.scope.join(" ")}, not for ${scope}` : status.replaceAll("-", " ");
}

/** The value of `--min`. @throws {CliError} ERR_USAGE */
export function minimum(flag: unknown): number | undefined {
  if (flag === undefined) return undefined;
  const value = typeof flag === "string" && /^(0|1|0?\.\d{1,6}|0\.\d{1,6}|1\.0{1,6})$/.test(flag) ? Number(flag) : NaN;
  if (!(value > 0 && value <= 1)) throw usage("--min is a score above 0 and at most 1", "--min 0.25");
  return value;
}
