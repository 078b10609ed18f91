import {
  type AllowRule,
  type DenyRule,
  isPeerageError,
  PeerageError,
  type Policy,
  type RecordedCall,
  replayCalls,
  revealed,
} from "@peerage/core";
import type { Asked, ConsolePage } from "../ask.ts";
import type { Ledger } from "../ledger.ts";
import type { Row } from "../row.ts";
import { lineOf, policyReader, present, shown } from "../live.ts";
import type { CallLine } from "../live-data.ts";
import { h, type Node } from "../node.ts";
import { paths } from "../paths.ts";
import { callTable, firstGuard, moment } from "../rows.ts";

/** Recorded calls that a dry run is played over, the newest. */
const MOST_REPLAYED = 2_000;
const SHOWN_CHANGED = 50;

interface RuleData {
  readonly list: "deny" | "allow";
  readonly rule: string;
  readonly about: string;
  readonly asks: string;
  readonly because?: string;
  readonly admitted: number;
  readonly asked: number;
  /** Calls that this rule denied, or that failed one of its conditions and no other rule admitted. */
  readonly refused: number;
  readonly last?: string;
}

interface DryRun {
  readonly text: string;
  readonly problem?: string;
  readonly digest?: string;
  readonly counts?: Readonly<Record<string, number>>;
  readonly changed?: readonly (CallLine & { readonly now: string })[];
}

export interface PolicyData {
  readonly guards: readonly string[];
  readonly guard?: string;
  readonly digest?: string;
  /** Since when this policy decides, as far as the console remembers. */
  readonly since?: string;
  readonly rules: readonly RuleData[];
  /** Refused without any rule being near. */
  readonly unmatched: number;
  readonly calls: number;
  readonly document?: string;
  readonly dryRun?: DryRun;
}

/** The policy in force: what each rule did, which never did anything, and what another policy would have done. */
export const policyPage: ConsolePage<PolicyData> = {
  load: (asked) => policyData(asked),
  title: () => "Policy",
  view: (data) => [head(data), ...(data.dryRun ? [dryRunPanel(data.dryRun)] : []), rulesPanel(data), tryPanel(data)],
  text: ({ digest, rules }) =>
    [
      `policy ${digest ?? "unknown"}`,
      ...rules.map(
        ({ list, rule, admitted, asked, refused }) => `${list}  ${rule}  ${admitted + asked + refused} hits`,
      ),
      "",
    ].join("\n"),
};

/** The same page with a policy tried on the recorded calls. @throws {PeerageError} ERR_REQUEST_INVALID */
export async function tryPolicy(asked: Asked, text: string): Promise<PolicyData> {
  if (text.trim() === "") throw new PeerageError("ERR_REQUEST_INVALID", "there is no policy to try");
  return { ...policyData(asked), dryRun: await dryRun(asked, text) };
}

function policyData(asked: Asked): PolicyData {
  const guards = asked.guards.map(({ name }) => name);
  const ledger = chosen(asked);
  const policy = ledger && inForce(ledger);
  const all = ledger?.rows ?? [];
  const rows = all.filter((row) => row.policy === policy?.digest && row.method !== "initialize");
  return {
    guards,
    ...present("guard", ledger?.name),
    ...present("digest", policy?.digest ?? ledger?.policy),
    ...present("since", rows[0] && new Date(rows[0].at).toISOString()),
    rules: policy ? rulesData(policy, rows) : [],
    unmatched: rows.filter(({ reason, detail }) => reason === "ERR_POLICY_DENIED" && !detail).length,
    calls: rows.length,
    ...present("document", policy && JSON.stringify(policy.document, null, 2)),
  };
}

/** The guard that was named, or the one that decided last. */
function chosen({ ledgers }: Asked): Ledger | undefined {
  return ledgers.toSorted((a, b) => (b.rows.at(-1)?.at ?? 0) - (a.rows.at(-1)?.at ?? 0))[0];
}

function inForce({ policy, source }: Ledger): Policy | undefined {
  try {
    return policy === undefined ? undefined : source.policy(policy);
  } catch (error) {
    if (isPeerageError(error)) return undefined;
    throw error;
  }
}

function rulesData({ document }: Policy, rows: readonly Row[]): RuleData[] {
  const named = (rule: AllowRule | DenyRule, list: "deny" | "allow", i: number): string => rule.id ?? `${list}[${i}]`;
  const failing = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.verdict !== "refused") continue;
    const names = new Set((row.detail ?? "").split(", ").map((part) => part.split(" ")[0] ?? ""));
    for (const name of names) failing.set(name, [...(failing.get(name) ?? []), row]);
  }
  const about = (rule: AllowRule | DenyRule): string =>
    (["tools", "prompts", "resources", "methods"] as const)
      .flatMap((kind) => (rule[kind] === undefined ? [] : [`${kind} ${[rule[kind]].flat().join(", ")}`]))
      .join("; ");
  const data = (rule: AllowRule | DenyRule, list: "deny" | "allow", i: number): RuleData => {
    const name = named(rule, list, i);
    const own = rows.filter((row) => row.rule === name && row.verdict !== "refused");
    const turned = failing.get(name) ?? [];
    const last = Math.max(...own.map(({ at }) => at), ...turned.map(({ at }) => at));
    return {
      list,
      rule: shown(name),
      about: shown(about(rule)),
      asks: asksOf(rule),
      ...present("because", rule.because === undefined ? undefined : shown(rule.because)),
      admitted: own.filter(({ verdict }) => verdict === "admitted").length,
      asked: own.filter(({ verdict }) => verdict === "asked").length,
      refused: turned.length,
      ...(Number.isFinite(last) ? { last: new Date(last).toISOString() } : {}),
    };
  };
  return [
    ...(document.deny ?? []).map((rule, i) => data(rule, "deny", i)),
    ...document.allow.map((rule, i) => data(rule, "allow", i)),
  ];
}

/** What a rule asks of a caller, in words. */
function asksOf(rule: AllowRule | DenyRule): string {
  const allow = rule as AllowRule;
  const trust = allow.trust === undefined ? undefined : typeof allow.trust === "number" ? allow.trust : allow.trust.min;
  const words = [
    rule.agents !== undefined && who([rule.agents].flat()),
    rule.spiffe !== undefined && "a SPIFFE ID",
    trust !== undefined && `score ≥ ${trust.toFixed(2)}`,
    rule.args !== undefined &&
      `arguments ${Object.keys(rule.args)
        .map((path) => revealed(path).slice(1, -1))
        .join(", ")}`,
    allow.require !== undefined && `${allow.require.length} signed ${allow.require.length === 1 ? "step" : "steps"}`,
    allow.approval !== undefined && `approval by ${allow.approval.count ?? 1}`,
    allow.limit !== undefined && "a limit",
    allow.budget !== undefined && "a budget",
    rule.when !== undefined && "an expression",
  ];
  return words.filter((word) => word !== false).join(" · ");
}

function who(agents: readonly string[]): string {
  const [first = ""] = agents;
  if (agents.length > 1) return `${agents.length} principals`;
  return first === "*"
    ? "any agent"
    : first.startsWith("did:")
      ? `z6Mk${first.slice(12, 17)}…${first.slice(-4)}`
      : first;
}

async function dryRun(asked: Asked, text: string): Promise<DryRun> {
  const ledger = chosen(asked);
  let next: Policy;
  try {
    next = await asked.options.parsePolicy(text);
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return { text, problem: error.message };
  }
  const before = ledger && inForce(ledger);
  if (!ledger || !before) return { text, digest: next.digest, problem: "no call was recorded yet to try it on" };
  const rows = ledger.rows.slice(-MOST_REPLAYED).reverse();
  const calls: { readonly row: Row; readonly call: RecordedCall }[] = [];
  for (const row of rows) {
    const found = ledger.source.call(row.seq);
    const call = found && ledger.source.recorded(found.decision);
    if (call) calls.push({ row, call });
  }
  const report = replayCalls(
    before,
    next,
    calls.map(({ call }) => call),
  );
  const policies = policyReader([ledger]);
  const changed = report.calls.slice(0, SHOWN_CHANGED).flatMap(({ index, verdict }) => {
    const row = calls[index]?.row;
    return row ? [{ ...lineOf(row, asked, policies), now: verdict }] : [];
  });
  return { text, digest: next.digest, counts: report.counts, changed };
}

function head({ guards, guard, digest, since, calls, unmatched, rules }: PolicyData): Node {
  const idle = rules.filter(isIdle).length;
  return h(
    "div",
    { class: "head" },
    h("h1", {}, "Policy"),
    h(
      "p",
      { class: "muted" },
      digest === undefined ? "No guard has decided anything yet." : ["in force ", h("code", {}, digest)],
      ...(since === undefined ? [] : [", counted since ", moment(since)]),
    ),
    h(
      "p",
      { class: "chips" },
      h("span", { class: "chip" }, `${calls} ${calls === 1 ? "decision" : "decisions"}`),
      ...(rules.length === 0
        ? []
        : [
            h(
              "span",
              { class: idle > 0 ? "chip warn" : "chip ok" },
              idle > 0 ? `${idle} ${idle === 1 ? "rule" : "rules"} never hit` : "✓ every rule was hit",
            ),
          ]),
      ...(unmatched > 0 ? [h("span", { class: "chip bad" }, `✕ ${unmatched} refused, no rule near`)] : []),
    ),
    ...(guards.length > 1
      ? [
          h(
            "p",
            { class: "chips", "aria-label": "Guards" },
            guards.map((name) =>
              h(
                "a",
                {
                  class: name === guard ? "chip here" : "chip",
                  href: paths.policy({ guard: name }),
                  "aria-current": name === guard ? "true" : undefined,
                },
                h("bdi", {}, name),
              ),
            ),
          ),
        ]
      : []),
  );
}

function isIdle({ admitted, asked, refused }: RuleData): boolean {
  return admitted + asked + refused === 0;
}

function rulesPanel({ rules, guard, document }: PolicyData): Node {
  const number = (label: string, n: number): Node =>
    h("td", { class: "num", "data-label": label }, n === 0 ? "–" : String(n));
  return h(
    "section",
    { class: "panel", "aria-labelledby": "rules" },
    h("h2", { id: "rules" }, "Rules and what they did"),
    rules.length === 0
      ? h(
          "p",
          { class: "muted" },
          ...(document === undefined
            ? ["A guard’s policy is shown once it has decided a call. ", ...firstGuard]
            : ["There are no rules: everything is denied."]),
        )
      : h(
          "table",
          { class: "cards rules" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Rule", "About", "Asks"].map((text) => h("th", {}, text)),
              ["Admitted", "Asked", "Refused"].map((text) => h("th", { class: "num" }, text)),
              h("th", {}, "Last hit"),
            ),
          ),
          h(
            "tbody",
            {},
            rules.map((rule) =>
              h(
                "tr",
                { class: isIdle(rule) ? "idle" : undefined },
                h(
                  "td",
                  {},
                  h("a", { href: paths.calls({ rule: rule.rule, guard }) }, h("code", {}, h("bdi", {}, rule.rule))),
                  ...(rule.list === "deny" ? [" ", h("span", { class: "chip bad" }, "deny")] : []),
                  ...(rule.because === undefined
                    ? []
                    : [h("div", { class: "muted small" }, h("bdi", {}, rule.because))]),
                ),
                h("td", { "data-label": "About" }, h("bdi", {}, rule.about)),
                h("td", { "data-label": "Asks" }, h("bdi", {}, rule.asks === "" ? "–" : rule.asks)),
                number("Admitted", rule.admitted),
                number("Asked", rule.asked),
                number("Refused", rule.refused),
                h(
                  "td",
                  { "data-label": "Last hit" },
                  rule.last === undefined ? h("span", { class: "chip warn" }, "never") : moment(rule.last),
                ),
              ),
            ),
          ),
        ),
  );
}

function tryPanel({ document, dryRun: tried, guard }: PolicyData): Node {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "try" },
    h("h2", { id: "try" }, "Dry run", h("span", { class: "aside" }, "nothing is changed, nothing is kept")),
    h(
      "p",
      { class: "muted" },
      "What another policy would have done with the recorded calls, by the gate’s own engine. YAML or JSON.",
    ),
    h(
      "form",
      { action: paths.same("/policy", { guard }), method: "post", class: "stack" },
      h(
        "label",
        {},
        "Policy",
        h(
          "textarea",
          { name: "policy", rows: 14, spellcheck: "false", autocomplete: "off" },
          `\n${tried?.text ?? document ?? ""}`,
        ),
      ),
      h("div", {}, h("button", { type: "submit" }, "Try it on the recorded calls")),
    ),
  );
}

const verdictWords: Readonly<Record<string, readonly [string, string]>> = {
  "newly-refused": ["would have been refused", "bad"],
  "newly-allowed": ["would have been admitted", "ok"],
  "now-asked": ["would have needed a person", "warn"],
  undecidable: ["cannot be told: not recorded", ""],
  same: ["the same", ""],
};

function dryRunPanel({ problem, digest, counts, changed = [] }: DryRun): Node {
  const groups = ["newly-refused", "newly-allowed", "now-asked", "undecidable"] as const;
  return h(
    "section",
    { class: "panel", "aria-labelledby": "tried", id: "dry-run" },
    h(
      "h2",
      { id: "tried" },
      "Tried",
      ...(digest === undefined ? [] : [h("span", { class: "aside" }, digest.slice(0, 19), "…")]),
    ),
    ...(problem === undefined ? [] : [h("p", { class: "note bad", role: "alert" }, h("bdi", {}, problem))]),
    ...(counts
      ? [
          h(
            "p",
            { class: "chips" },
            ["same", ...groups].map((verdict) => {
              const [words, tone] = verdictWords[verdict] ?? ["", ""];
              return h("span", { class: `chip ${tone}` }, `${counts[verdict] ?? 0} ${words}`);
            }),
          ),
          ...groups.flatMap((verdict) => {
            const of = changed.filter(({ now }) => now === verdict);
            const [words] = verdictWords[verdict] ?? [""];
            return of.length === 0
              ? []
              : [h("h3", { class: "label" }, `These ${words}`), callTable(of, { guards: false, empty: [] })];
          }),
        ]
      : []),
  );
}
