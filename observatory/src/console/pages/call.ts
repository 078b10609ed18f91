import { fieldsOf, PeerageError, type Policy, revealed } from "@peerage/core";
import type { ConsolePage } from "../ask.ts";
import { type Ledger, rowOf } from "../ledger.ts";
import { lineOf, policyReader, present, shown } from "../live.ts";
import { type Child, h, type Node } from "../node.ts";
import { paths } from "../paths.ts";
import { agent, caller, chain, moment, verdict } from "../rows.ts";
import type { DecisionRecord, GuardCall, GuardReceipt } from "../source.ts";
import { againWith, entriesOf, rulesOf, type TraceEntry, traceOf, type TraceRule, type TraceStep } from "../trace.ts";
import { msText } from "../topology.ts";

export interface CallData {
  readonly guard: string;
  readonly decision: DecisionRecord;
  readonly outcome?: GuardCall["outcome"];
  /** Why it was decided so, in a line. */
  readonly why: string;
  readonly name?: string;
  readonly subjectName?: string;
  readonly steps: readonly TraceStep[];
  /** Absent: no rule was asked, or what it was asked on is not kept. */
  readonly rules?: readonly TraceRule[];
  readonly history: readonly TraceEntry[];
  /** What the guard signed for the caller. */
  readonly receipt?: GuardReceipt;
  /** Under the policy in force now. */
  readonly again?: "allow" | "ask" | "deny";
  readonly args?: readonly { readonly path: string; readonly value: string }[];
}

/** One call: what it claimed, how it was decided, on what, and how it ended. */
export const call: ConsolePage<CallData> = {
  async load(asked) {
    const { parameter, ledgers } = asked;
    const [ledger, found] = await findCall(ledgers, parameter);
    const { decision, outcome } = found;
    const { source } = ledger;
    const { why } = lineOf(rowOf(ledger.name, found), asked, policyReader(ledgers));
    const recorded = source.recorded(decision);
    const receipt = source.receipt(decision.seq);
    const policy = readPolicy(ledger, decision.policy);
    const today = ledger.policy === undefined ? undefined : readPolicy(ledger, ledger.policy);
    const { caller: by, subject, input } = decision;
    const args = input?.args;
    return {
      guard: ledger.name,
      decision,
      ...present("outcome", outcome),
      why,
      ...present("name", by && asked.nameOf(by.did)),
      ...present("subjectName", subject && asked.nameOf(subject)),
      steps: withReceipt(traceOf(found, recorded, why), receipt),
      ...present("rules", rulesOf(decision, recorded, policy)),
      history: entriesOf(decision, source, asked),
      ...present("receipt", receipt),
      ...present("again", againWith(today, decision, recorded)),
      ...present("args", args === undefined ? undefined : fieldsOf(args)),
    };
  },
  title: ({ decision }) => `Call ${decision.seq}`,
  view(data) {
    const { decision, outcome, name } = data;
    const { at, target, method, seq, caller: by } = decision;
    return [
      h(
        "div",
        { class: "head" },
        h("h1", {}, h("bdi", {}, shown(target ?? method))),
        h(
          "p",
          { class: "row big" },
          verdict(decision.verdict),
          caller({ ...present("did", by?.did), ...present("name", name), unverified: by?.unverified === true }),
          moment(at),
          ...(outcome?.ms === undefined ? [] : [h("span", { class: "muted" }, msText(outcome.ms))]),
          h("span", { class: "muted" }, `record ${seq} of `, h("bdi", {}, data.guard)),
        ),
        ...(decision.reason === undefined
          ? []
          : [h("p", { class: "because" }, h("b", {}, h("bdi", {}, data.why)), " ", h("code", {}, decision.reason))]),
      ),
      h(
        "div",
        { class: "columns wide-left" },
        h("div", {}, decisionPanel(data), ...(data.rules ? [rulesPanel(data.rules)] : []), historyPanel(data)),
        h("div", {}, claimsPanel(data), receiptPanel(data), furtherPanel(data)),
      ),
    ];
  },
  text: ({ decision, steps, outcome }) =>
    [
      `${decision.verdict}  ${decision.target ?? decision.method}  ${decision.caller?.did ?? "unsigned"}  ${decision.at}`,
      ...steps.map(({ label, state, found }) => `  ${state.padEnd(7)} ${label.padEnd(18)} ${found ?? ""}`.trimEnd()),
      ...(outcome ? [`  ${outcome.outcome}`] : []),
      "",
    ].join("\n"),
};

/** A refusal is signed too, once the proof was used up. */
function withReceipt(steps: readonly TraceStep[], receipt: GuardReceipt | undefined): readonly TraceStep[] {
  if (receipt?.problem !== undefined || receipt?.result === undefined) return steps;
  return steps.map((step) =>
    step.step === "receipt" && step.state === "later"
      ? { ...step, state: "held", found: `${receipt.result}, and signed so for the caller` }
      : step,
  );
}

/** A call by its id, or by its place in the log of the guard that is named. */
async function findCall(ledgers: readonly Ledger[], word: string): Promise<readonly [Ledger, GuardCall]> {
  const [only] = ledgers;
  const isPlace = /^\d{1,12}$/.test(word);
  if (isPlace && only && ledgers.length === 1) {
    const found = only.source.call(Number(word));
    if (found) return [only, found];
  }
  for (const ledger of isPlace ? [] : ledgers) {
    const found = await ledger.find(word);
    if (found) return [ledger, found];
  }
  throw new PeerageError("ERR_NOT_FOUND", "no recorded call is such");
}

function readPolicy(ledger: Ledger, digest: DecisionRecord["policy"]): Policy | undefined {
  try {
    return ledger.source.policy(digest);
  } catch {
    return undefined; // of another version; its digest still stands
  }
}

const marks: Readonly<Record<TraceStep["state"], readonly [string, string, string]>> = {
  held: ["✓", "holds", "ok"],
  failed: ["✕", "does not hold", "bad"],
  waits: ["◔", "waits", "warn"],
  none: ["–", "asked nothing", "muted"],
  later: ["·", "not reached", "muted"],
};

function decisionPanel({ steps }: CallData): Node {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "decision" },
    h("h2", { id: "decision" }, "Decision, step by step"),
    h(
      "ol",
      { class: "steps12" },
      steps.map(({ label, asks, state, found, step }) => {
        const [sign, word, tone] = marks[state];
        return h(
          "li",
          { class: `${tone} ${state}`, "data-step": step },
          h("span", { class: "sign", role: "img", "aria-label": word }, sign),
          h("b", {}, label),
          h("span", { class: "found" }, h("bdi", {}, state === "later" ? "not reached" : (found ?? asks))),
        );
      }),
    ),
  );
}

function rulesPanel(rules: readonly TraceRule[]): Node {
  const sorted = [...rules].sort((a, b) => Number(b.decided) - Number(a.decided));
  return h(
    "section",
    { class: "panel", "aria-labelledby": "rules" },
    h("h2", { id: "rules" }, "What the policy asked", h("span", { class: "aside" }, "the caller was not told")),
    sorted.map((rule) =>
      h(
        "details",
        { class: "rule", open: rule.decided },
        h(
          "summary",
          {},
          h("code", {}, h("bdi", {}, shown(rule.rule))),
          " ",
          h("span", { class: `chip ${ruleTone(rule)}` }, ruleWord(rule)),
          ...(rule.because === undefined
            ? []
            : [" ", h("span", { class: "muted" }, h("bdi", {}, shown(rule.because)))]),
        ),
        h(
          "table",
          { class: "cards conditions" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Holds", "Condition", "Wanted", "Found"].map((text) => h("th", {}, text)),
            ),
          ),
          h(
            "tbody",
            {},
            rule.conditions.map(({ condition, path, holds, wanted, found }) => {
              const [sign, word, tone] = holds === true ? marks.held : holds === false ? marks.failed : marks.none;
              const what = path === undefined ? condition : `${condition} ${revealed(path).slice(1, -1)}`;
              return h(
                "tr",
                {},
                h(
                  "td",
                  { "data-label": "Holds" },
                  h("span", { class: `status ${tone}`, role: "img", "aria-label": word }, sign),
                ),
                h("td", { "data-label": "Condition" }, h("bdi", {}, what)),
                h("td", { "data-label": "Wanted" }, h("bdi", {}, wanted)),
                h("td", { "data-label": "Found" }, h("bdi", {}, found)),
              );
            }),
          ),
        ),
      ),
    ),
  );
}

function ruleTone({ list, met }: TraceRule): string {
  return met ? (list === "deny" ? "bad" : "ok") : "";
}

function ruleWord({ list, met, decided }: TraceRule): string {
  if (list === "deny") return met ? "✕ denies" : "deny, not met";
  return met ? "✓ allows" : decided ? "came nearest" : "does not allow";
}

function historyPanel({ history }: CallData): Node {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "history" },
    h("h2", { id: "history" }, "History", h("span", { class: "aside" }, "signatures checked just now")),
    history.length === 0
      ? h("p", { class: "muted" }, "The call presented no signed steps, and the guard held none.")
      : chain(history),
  );
}

/** Facts as pairs; what is not known is left out. */
export function facts(pairs: readonly (readonly [string, Child | undefined])[]): Node {
  return h(
    "dl",
    { class: "facts" },
    pairs.flatMap(([label, value]) =>
      value === undefined ? [] : [h("div", {}, h("dt", {}, label), h("dd", {}, value))],
    ),
  );
}

function code(text: string | undefined): Node | undefined {
  return text === undefined ? undefined : h("code", {}, h("bdi", {}, text));
}

function claimsPanel({ decision, subjectName, args }: CallData): Node {
  const { caller: by, subject, method, target, req, call: jti, run, trace, view, policy, rule, id, input } = decision;
  return h(
    "section",
    { class: "panel", "aria-labelledby": "claims" },
    h("h2", { id: "claims" }, "What it claimed"),
    facts([
      ["agent", code(by?.did)],
      ["on behalf of", subject === undefined ? undefined : agent({ did: subject, ...present("name", subjectName) })],
      ["method", code(shown(method))],
      ["target", target === undefined ? undefined : code(revealed(target))],
      ["request", code(req)],
      ["proof", code(jti)],
      ["bound by", by?.binding],
      ["run", code(run)],
      ["trace", code(trace)],
      ["rule", code(rule)],
      ["policy", code(policy)],
      ["log view", code(view)],
      ["decision", code(id)],
    ]),
    ...(args
      ? [
          h(
            "h3",
            { class: "label" },
            `Arguments, ${input?.argsAre === "redacted" ? "as far as rules name them" : "in full"}`,
          ),
          facts(args.map(({ path, value }) => [path, code(value)] as const)),
        ]
      : [h("p", { class: "muted small" }, "Arguments stand in the log as the digest of the request.")]),
  );
}

function receiptPanel({ outcome, receipt, decision }: CallData): Node {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "receipt" },
    h(
      "h2",
      { id: "receipt" },
      "How it ended",
      ...(receipt ? [h("span", { class: "aside" }, "receipt checked just now")] : []),
    ),
    facts([
      ["outcome", outcome?.outcome ?? (decision.verdict === "admitted" ? "still runs" : "never reached the tool")],
      ["took", outcome?.ms === undefined ? undefined : msText(outcome.ms)],
      ["result", code(outcome?.res)],
      ["receipt", receipt && receiptState(receipt)],
    ]),
    ...(receipt
      ? [
          h(
            "details",
            {},
            h("summary", {}, "The receipt itself"),
            h("pre", { class: "wrap" }, h("code", {}, receipt.token)),
            h(
              "p",
              { class: "muted small" },
              "What the caller got with the answer: this guard’s signature over the call, the request, the policy and the result. ",
              "Anybody can check it: ",
              h("code", {}, "peerage verify"),
              ".",
            ),
          ),
        ]
      : [h("p", { class: "muted small" }, noReceipt(decision, outcome))]),
  );
}

function receiptState({ step, result, at, problem }: GuardReceipt): Node {
  if (problem !== undefined) return h("span", { class: "status bad" }, `✕ ${problem}`);
  const when = at === undefined ? [] : [" at ", moment(at)];
  return h("span", {}, h("span", { class: "status ok" }, "✓ signed by this guard"), `: ${step} / ${result}`, ...when);
}

/** Why no receipt stands here. */
function noReceipt({ call: jti, notification, caller: by }: DecisionRecord, outcome: CallData["outcome"]): string {
  if (outcome?.receipt !== undefined) return `The receipt ${outcome.receipt} was issued, and is not kept any more.`;
  if (by === undefined || jti === undefined) return "Who does not sign gets no receipt.";
  if (by.unverified) return "A proof that does not hold is not used up, and gets no receipt.";
  if (notification) return "A notification has no answer, and so no receipt.";
  return "No receipt is kept of this call.";
}

function furtherPanel({ decision, again, guard }: CallData): Node {
  const today = { allow: "allow it", ask: "ask a person", deny: "refuse it" };
  return h(
    "section",
    { class: "panel", "aria-labelledby": "further" },
    h("h2", { id: "further" }, "Further"),
    h(
      "ul",
      { class: "plainlist" },
      ...(again === undefined ? [] : [h("li", {}, "Today’s policy would ", h("b", {}, today[again]), ".")]),
      ...(decision.item === undefined
        ? []
        : [h("li", {}, h("a", { href: paths.approval(decision.item) }, "What the person was asked"))]),
      ...(decision.caller === undefined
        ? []
        : [h("li", {}, h("a", { href: paths.agent(decision.caller.did) }, "Everything this agent did here"))]),
      h(
        "li",
        {},
        h(
          "a",
          { href: paths.calls({ target: decision.target ?? decision.method, guard }) },
          "Calls of the same target",
        ),
      ),
      h("li", {}, h("a", { href: paths.audit({ guard }) }, "Verify the log that says so")),
      h("li", {}, "In a terminal: ", h("code", {}, `peerage calls show ${decision.seq}`)),
    ),
  );
}
