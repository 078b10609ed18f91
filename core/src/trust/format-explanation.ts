import type { Contribution, Explanation } from "./explain.ts";
import { formatScore } from "./metric.ts";

/** How {@link formatExplanation} prints. */
export interface FormatOptions {
  /** What to call an agent; by default its DID. The caller makes foreign names harmless. */
  readonly name?: (did: string) => string;
  /** Contributions that get a line of their own, 12 by default; the rest are added up in one line. */
  readonly most?: number;
}

/**
 * An explanation as plain text. The left column adds up, digit for digit, to the printed evidence, and the printed score
 * is the smaller of that and 1; each factor is printed, so that the arithmetic of a line can be repeated.
 */
export function formatExplanation(explanation: Explanation, options: FormatOptions = {}): string {
  const name = options.name ?? ((did: string): string => did);
  const { score, provenance } = explanation;
  const scope = provenance.scope === undefined ? "" : `  in scope ${provenance.scope}`;
  const lines = [`${name(explanation.target)}  ${formatScore(score)}${scope}`];
  if (explanation.root) lines.push("  one of your roots: trusted because you chose it");
  else if (score === "unknown") lines.push(...unknownLines(explanation, name));
  else lines.push(...sumLines(explanation, name, options.most ?? 12), ...supportLines(explanation, name));
  lines.push(...raiseLines(explanation, name));
  for (const { vouch, reason } of explanation.notCounted)
    lines.push(`not counted: ${name(vouch.issuer)}'s vouch, ${reason}`);
  if (explanation.unlisted?.notCounted) lines.push(`not counted: ${explanation.unlisted.notCounted} more`);
  const parameters = Object.entries(provenance.parameters).map(([key, value]) => `${key}=${value}`);
  lines.push(`computed by ${provenance.metric} (${parameters.join(", ")})`);
  lines.push(`  roots ${provenance.roots}`);
  lines.push(`  edges ${provenance.edges} (${provenance.edgeCount} vouches)`);
  if (provenance.logSize !== undefined) lines.push(`  log size ${provenance.logSize}`);
  return lines.join("\n") + "\n";
}

type Name = (did: string) => string;

function sumLines(explanation: Explanation, name: Name, most: number): string[] {
  const ordered = [...explanation.contributions].sort((a, b) => b.value - a.value);
  const shown = ordered.slice(0, most);
  const rest = ordered.slice(most);
  const values = shown.map((contribution) => contribution.value);
  const others = rest.length + (explanation.unlisted?.contributions ?? 0);
  if (others > 0) values.push(rest.reduce((sum, { value }) => sum + value, explanation.unlisted?.value ?? 0));
  const column = roundedColumn(values, explanation.evidence);
  const lines = shown.map((contribution, i) => `  ${column[i] ?? ""}  ${chainText(contribution, name)}`);
  if (others > 0) lines.push(`  ${column.at(-1) ?? ""}  ${others} more vouchers`);
  const total = explanation.evidence.toFixed(6);
  lines.push(`  ${total}  evidence${explanation.evidence > 1 ? ", of which at most 1 counts" : ""}`);
  return lines;
}

function chainText({ root, decay, power, dilution, weight, chain }: Contribution, name: Name): string {
  const [first] = chain;
  const hops = chain.map(({ subject, value }, i) =>
    i === chain.length - 1 ? name(subject) : `${name(subject)} (${value.toFixed(6)})`,
  );
  const route = [name(first?.issuer ?? ""), ...hops].join(" → ");
  if (root) return `${route}   a root's word: ${factor(weight)}`;
  return `${route}   decay ${factor(decay)} × power ${factor(power)} × dilution ${factor(dilution)} × confidence ${factor(weight)}`;
}

function factor(value: number): string {
  return String(Number(value.toFixed(6)));
}

/** Rounds to six decimals so that the column adds up to the rounded total: the largest remainders are rounded up. */
function roundedColumn(values: readonly number[], total: number): string[] {
  const micro = values.map((value) => Math.floor(value * 1e6));
  const order = values.map((_, i) => i).sort((a, b) => remainder(values[b] ?? 0) - remainder(values[a] ?? 0));
  let missing = Math.round(Number(total.toFixed(6)) * 1e6) - micro.reduce((sum, value) => sum + value, 0);
  for (const i of order) {
    if (missing <= 0) break;
    micro[i] = (micro[i] ?? 0) + 1;
    missing--;
  }
  return micro.map((value) => (value / 1e6).toFixed(6));
}

function remainder(value: number): number {
  return value * 1e6 - Math.floor(value * 1e6);
}

function supportLines({ independentVouchers, holdsUp }: Explanation, name: Name): string[] {
  const lines = [`independent vouchers: ${independentVouchers}`];
  if (!holdsUp) return [...lines, "holds it up: no single vouch; without any one of them the score is the same"];
  const caution = holdsUp.exact ? "" : " (of those tried)";
  const edge = `${name(holdsUp.issuer)}'s vouch for ${name(holdsUp.subject)}`;
  return [...lines, `holds it up: ${edge}${caution}; without it ${formatScore(holdsUp.scoreAfter)}`];
}

function unknownLines({ powerless, unlisted }: Explanation, name: Name): string[] {
  if (powerless.length === 0) return ["  nobody vouches for it"];
  const some = powerless.slice(0, 5).map(name).join(", ");
  const others = powerless.length - 5 + (unlisted?.powerless ?? 0);
  const more = others > 0 ? ` and ${others} more` : "";
  return ["  nobody your roots give power to vouches for it, directly or through others", `  who does: ${some}${more}`];
}

function raiseLines({ raise }: Explanation, name: Name): string[] {
  if (!raise) return [];
  if (raise.options.length === 0) return [`would raise it to ${raise.threshold}: no vouch by the agents known`];
  return raise.options.map(({ by, confidence, scoreAfter }) => {
    const who = by.map(name).join(" and ");
    return `would raise it to ${raise.threshold}: a vouch of ${confidence} by ${who}, giving ${formatScore(scoreAfter)}`;
  });
}
