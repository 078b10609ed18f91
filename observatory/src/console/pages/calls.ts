import { errorCodes } from "@peerage/core";
import type { Asked, ConsolePage } from "../ask.ts";
import type { Row } from "../row.ts";
import { newestFirst } from "../ledgers.ts";
import { countsOf, lineOf, policyReader, present } from "../live.ts";
import type { CallLine, Counts } from "../live-data.ts";
import { windowMs, windows } from "../live-data.ts";
import { h, type Node } from "../node.ts";
import { paths } from "../paths.ts";
import { callTable } from "../rows.ts";
import { reasonText } from "../words.ts";
import { callLine } from "./live.ts";

const PAGE = 50;

/** What of the calls is wanted, as it stands in the address. */
interface Filter {
  readonly verdict?: string;
  readonly caller?: string;
  readonly target?: string;
  readonly rule?: string;
  readonly reason?: string;
  readonly window?: string;
  readonly guard?: string;
}

export interface CallsData {
  readonly filter: Filter;
  readonly guards: readonly string[];
  readonly counts: Counts;
  readonly calls: readonly CallLine[];
  /** The call after which the next page begins. */
  readonly next?: string;
  readonly reasons: readonly string[];
  readonly rules: readonly string[];
}

/** Every call in mind, newest first, as far as a filter lets it through. */
export const calls: ConsolePage<CallsData> = {
  load(asked) {
    const { query, ledgers } = asked;
    const rows = wantedRows(asked);
    const after = query.get("after");
    const start = after === null ? 0 : rows.findIndex(({ id }) => id === after) + 1;
    const page = rows.slice(start, start + PAGE);
    const policies = policyReader(ledgers);
    const all = ledgers.flatMap((ledger) => ledger.rows);
    const kinds = <T>(of: (row: Row) => T | undefined): T[] => [...new Set(all.flatMap((row) => of(row) ?? []))];
    return {
      filter: filterOf(query),
      guards: asked.guards.map(({ name }) => name),
      counts: countsOf(rows),
      calls: page.map((row) => lineOf(row, asked, policies)),
      ...present("next", rows.length > start + PAGE ? page.at(-1)?.id : undefined),
      reasons: errorCodes.filter((code) => all.some(({ reason }) => reason === code)),
      rules: kinds(({ rule }) => rule).sort(),
    };
  },
  title: () => "Calls",
  view(data) {
    const { filter, counts, calls: lines, next, guards } = data;
    return [
      h(
        "div",
        { class: "head" },
        h("h1", {}, "Calls"),
        h(
          "p",
          { class: "muted" },
          `${counts.admitted} admitted, ${counts.refused} refused, ${counts.asked} put to a person.`,
        ),
      ),
      filterForm(data),
      h(
        "section",
        { class: "panel", "aria-label": "Calls" },
        callTable(lines, { guards: guards.length > 1 && filter.guard === undefined, empty: "No call is such." }),
        ...(next === undefined
          ? []
          : [
              h(
                "p",
                { class: "pages" },
                h("a", { href: paths.calls({ ...filter, after: next }), rel: "next" }, "Older calls"),
              ),
            ]),
      ),
    ];
  },
  text: ({ calls: lines }) => lines.map((call) => `${callLine(call)}\n`).join(""),
};

/** The calls that a query asks for, newest first. */
export function wantedRows({ query, ledgers, now, nameOf }: Asked): Row[] {
  const { verdict, caller, target, rule, reason, window } = filterOf(query);
  const span = windows.find((one) => one === window);
  const since = span === undefined ? -Infinity : now.getTime() - windowMs[span];
  const isBy = (row: Row): boolean => {
    if (caller === undefined) return true;
    if (caller === "unsigned") return row.did === undefined || row.unverified;
    if (row.did === undefined) return false;
    const word = caller.toLowerCase();
    return row.did.toLowerCase().includes(word) || (nameOf(row.did)?.toLowerCase().includes(word) ?? false);
  };
  return newestFirst(ledgers).filter(
    (row) =>
      (verdict === undefined || row.verdict === verdict) &&
      (target === undefined || row.target === target) &&
      (rule === undefined || row.rule === rule) &&
      (reason === undefined || row.reason === reason) &&
      row.at > since &&
      isBy(row),
  );
}

function filterOf(query: URLSearchParams): Filter {
  const names = ["verdict", "caller", "target", "rule", "reason", "window", "guard"] as const;
  const given = names.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : []));
  return Object.fromEntries(given) as Filter;
}

function filterForm({ filter, reasons, rules, guards }: CallsData): Node {
  const select = (
    name: keyof Filter,
    label: string,
    all: string,
    options: readonly (readonly [string, string])[],
  ): Node =>
    h(
      "label",
      {},
      label,
      h(
        "select",
        { name },
        h("option", { value: "" }, all),
        options.map(([value, text]) => h("option", { value, selected: filter[name] === value }, text)),
      ),
    );
  const field = (name: keyof Filter, label: string, placeholder: string): Node =>
    h(
      "label",
      {},
      label,
      h("input", { name, value: filter[name] ?? "", placeholder, autocomplete: "off", spellcheck: "false" }),
    );
  const { guard: _guard, ...rest } = filter;
  return h(
    "form",
    { class: "panel filter", action: "/calls", method: "get", role: "search" },
    select("verdict", "Decision", "any", [
      ["admitted", "✓ admitted"],
      ["refused", "✕ refused"],
      ["asked", "◔ waiting"],
    ]),
    field("caller", "Agent", "name or DID"),
    field("target", "Target", "tool, prompt or resource"),
    select(
      "reason",
      "Reason",
      "any",
      reasons.map((code) => [code, reasonText(code)] as const),
    ),
    select(
      "rule",
      "Rule",
      "any",
      rules.map((rule) => [rule, rule] as const),
    ),
    select(
      "window",
      "Since",
      "always",
      windows.map((one) => [one, `last ${one}`] as const),
    ),
    ...(guards.length > 1
      ? [
          select(
            "guard",
            "Guard",
            "all",
            guards.map((name) => [name, name] as const),
          ),
        ]
      : []),
    h("button", { type: "submit" }, "Show"),
    h(
      "p",
      { class: "exports muted small" },
      "Export these calls as ",
      h("a", { href: paths.same("/calls.ndjson", { ...filter }), download: "calls.ndjson" }, "NDJSON"),
      " or this page as ",
      h("a", { href: paths.same("/calls.json", { ...filter }) }, "JSON"),
      Object.keys(rest).length > 0 ? ". " : ".",
      ...(Object.keys(rest).length > 0 ? [h("a", { href: paths.calls() }, "Clear the filter")] : []),
    ),
  );
}
