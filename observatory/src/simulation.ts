import {
  type CompileWhen,
  completeInput,
  type Did,
  explainDecision,
  formatProblem,
  isPeerageError,
  mentionsWhen,
  parseDid,
  parseJson,
  type PartialInput,
  parsePolicy,
  type Policy,
  type PolicyExplanation,
  PeerageError,
  requiredScopes,
} from "@peerage/core";
import { type Child, h, type Node } from "./console/node.ts";

/** A policy and a call, as somebody typed them. */
export interface Typed {
  readonly policy: string;
  readonly caller: string;
  readonly tool: string;
  /** The arguments as JSON; empty for none. */
  readonly args: string;
  /** Further members of the policy's input as JSON, such as `history`, `held` or `now`; empty for none. */
  readonly facts: string;
}

/** What the gate would say, and why. */
export interface Simulated {
  readonly explanation: PolicyExplanation;
  /** The caller's scores that counted, by scope. */
  readonly trust: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly warnings: readonly string[];
}

/** Whoever may be asked for the scores of a caller in some scopes; a scope without one is left out. */
export type ScoresOf = (
  caller: Did,
  scopes: readonly string[],
) => Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;

/** What a decision needs besides what was typed. */
export interface Surroundings {
  /** Who `@roots` are. */
  readonly roots: readonly Did[];
  readonly now: Date;
  readonly scoresOf: ScoresOf;
  /** Asked only where a rule has a `when`. */
  readonly loadWhen: () => Promise<CompileWhen>;
}

/**
 * Decides a typed call by a typed policy with the functions that guards run.
 * @throws {PeerageError} ERR_POLICY_INVALID, ERR_DID_INVALID, ERR_REQUEST_INVALID if what was typed cannot be read
 */
export async function simulate(typed: Typed, { roots, now, scoresOf, loadWhen }: Surroundings): Promise<Simulated> {
  const engines = mentionsWhen(typed.policy) ? { compileWhen: await loadWhen() } : {};
  const policy: Policy = parsePolicy(typed.policy, { roots }, engines);
  const caller = typed.caller.trim() === "" ? undefined : parseDid(typed.caller.trim());
  const facts = objectOf(typed.facts, "the further facts") as PartialInput;
  const own = caller === undefined ? {} : await scoresOf(caller, requiredScopes(policy));
  const trust = facts.trust ?? own;
  const input = completeInput({
    now: now.toISOString(),
    tool: typed.tool.trim(),
    args: objectOf(typed.args, "the arguments") as NonNullable<PartialInput["args"]>,
    ...(caller === undefined ? {} : { calling_agent: caller }),
    ...facts,
    trust,
  });
  const warnings = policy.warnings.map(formatProblem);
  return { explanation: explainDecision(policy, input), trust, digest: policy.digest, warnings };
}

/** What is wrong with what was typed, in words; undefined for faults of another kind, which are ours. */
export function complaint(error: unknown): string | undefined {
  return isPeerageError(error) ? error.message : undefined;
}

function objectOf(text: string, what: string): object {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw new PeerageError("ERR_REQUEST_INVALID", `${what} are no JSON`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new PeerageError("ERR_REQUEST_INVALID", `${what} are a JSON object`);
}

/** The verdict in a sentence. */
export function verdictText({ explanation: { decision } }: Simulated): string {
  const by = decision.rule === undefined ? "" : ` by ${decision.rule}`;
  if (decision.effect === "allow") return `allowed${by}`;
  if (decision.effect === "ask") return `a person is asked${by}`;
  return `denied${by}: ${decision.reason}`;
}

const marks = { allow: ["ok", "✓"], ask: ["warn", "◔"], deny: ["bad", "✕"] } as const;

/** The verdict with its trace, for the server to write and for the browser to draw. */
export function simulationView(simulated: Simulated): Node {
  const { explanation, trust, digest, warnings } = simulated;
  const { decision, rules, change } = explanation;
  const [mood, mark] = marks[decision.effect];
  const scores = Object.entries(trust).map(([scope, score]) => `${score} in ${scope}`);
  return h(
    "section",
    { class: "panel simulated", "aria-labelledby": "verdict" },
    h("h2", { id: "verdict" }, h("span", { class: `status ${mood}` }, `${mark} ${verdictText(simulated)}`)),
    h(
      "p",
      { class: "muted" },
      scores.length === 0 ? "No score of the caller counted. " : `The caller’s score: ${scores.join(", ")}. `,
      "Policy ",
      h("code", {}, digest.slice(0, 19)),
      "…",
    ),
    decision.effect === "deny" && decision.because !== undefined ? h("p", {}, decision.because) : undefined,
    change &&
      h(
        "p",
        { class: "note warn" },
        h("b", {}, "To admit it: "),
        `${change.rule} wants ${change.wanted.join("; and ")}`,
      ),
    warnings.length === 0
      ? undefined
      : h(
          "ul",
          { class: "plainlist small" },
          warnings.map((text) => h("li", {}, `◔ ${text}`)),
        ),
    rules.length === 0 ? h("p", {}, "No rule is about this kind of target.") : rules.map(ruleView),
  );
}

type Rule = PolicyExplanation["rules"][number];

function ruleView({ rule, list, met, because, conditions }: Rule): Child {
  const isBad = list === "deny" && met;
  const word = list === "deny" ? (met ? "refuses" : "does not refuse") : met ? "admits" : "does not admit";
  const mood = isBad ? "bad" : met ? "ok" : "muted";
  return h(
    "section",
    { class: "rule" },
    h(
      "h3",
      {},
      `${list} `,
      h("b", {}, rule),
      " ",
      h("span", { class: `status ${mood}` }, `${isBad ? "✕" : met ? "✓" : "–"} ${word}`),
      because === undefined ? undefined : ` ${because}`,
    ),
    h(
      "table",
      { class: "cards" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Condition", "Wanted", "Found"].map((name) => h("th", {}, name)),
        ),
      ),
      h("tbody", {}, conditions.map(conditionRow)),
    ),
  );
}

function conditionRow({ condition, path, holds, wanted, found }: Rule["conditions"][number]): Node {
  const [mood, mark] = holds === undefined ? ["warn", "?"] : holds ? ["ok", "✓"] : ["bad", "✕"];
  const what = path === undefined ? condition : `${condition} ${path}`;
  const told = holds === undefined ? `${found}, which cannot be compared` : found;
  return h(
    "tr",
    {},
    h("td", {}, h("span", { class: `status ${mood}` }, `${mark} ${what}`)),
    h("td", { "data-label": "Wanted" }, wanted),
    h("td", { "data-label": "Found" }, told),
  );
}

/** The same as lines of text. */
export function simulationText(simulated: Simulated): string {
  const { explanation, trust } = simulated;
  const mark = (holds: boolean | undefined): string => (holds === undefined ? "?" : holds ? "+" : "-");
  return [
    verdictText(simulated),
    ...Object.entries(trust).map(([scope, score]) => `score ${score} in ${scope}`),
    ...explanation.rules.flatMap(({ list, rule, met, conditions }) => [
      `${list} ${rule}: ${met ? "met" : "not met"}`,
      ...conditions.map(
        ({ condition, path, holds, wanted, found }) =>
          `  ${mark(holds)} ${condition}${path === undefined ? "" : ` ${path}`}: ${wanted}; found ${found}`,
      ),
    ]),
    "",
  ].join("\n");
}
