import { errorCodes } from "@peerage/core";
import type { Asked, ConsolePage } from "../ask.ts";
import type { Row } from "../row.ts";
import { countsOf, lineOf, policyReader, present, shown } from "../live.ts";
import type { CallLine, Counts } from "../live-data.ts";
import { windowMs, windows } from "../live-data.ts";
import { h, type Node } from "../node.ts";
import { paths } from "../paths.ts";
import { callTable, firstGuard, moment } from "../rows.ts";
import { formatPlaces, parsePlaces, search } from "../search.ts";
import { reasonText } from "../words.ts";
import { callLine } from "./live.ts";

const PAGE = 50;
/** Old calls that are read for one page: about half a second of reading. */
const MOST_OLD = 50_000;

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
  /** Of the calls in mind. */
  readonly counts: Counts;
  /** How many records of the logs are older than what is in mind, so that they are in no count. */
  readonly older: number;
  readonly calls: readonly CallLine[];
  /** Where the next page begins: `?after=`. */
  readonly next?: string;
  /** The search ended before the page was full: all that is newer was looked at, RFC 3339. */
  readonly searchedTo?: string;
  readonly reasons: readonly string[];
  readonly rules: readonly string[];
}

/** Every recorded call, newest first, as far as a filter lets it through. */
export const calls: ConsolePage<CallsData> = {
  async load(asked) {
    const { query, ledgers } = asked;
    const isWanted = wanted(asked);
    const limits = { rows: PAGE, old: MOST_OLD };
    const { rows, next, searchedTo } = await search(ledgers, parsePlaces(query.get("after")), isWanted, limits);
    const policies = policyReader(ledgers);
    const all = ledgers.flatMap((ledger) => ledger.rows);
    const kinds = <T>(of: (row: Row) => T | undefined): T[] => [...new Set(all.flatMap((row) => of(row) ?? []))];
    return {
      filter: filterOf(query),
      guards: asked.guards.map(({ name }) => name),
      counts: countsOf(all.filter(isWanted)),
      older: ledgers.reduce((sum, { oldest, source }) => sum + Math.max(0, oldest - source.first()), 0),
      calls: rows.map((row) => lineOf(row, asked, policies)),
      ...present("next", next && formatPlaces(next)),
      ...present("searchedTo", searchedTo === undefined ? undefined : new Date(searchedTo).toISOString()),
      reasons: errorCodes.filter((code) => all.some(({ reason }) => reason === code)),
      rules: kinds(({ rule }) => rule).sort(),
    };
  },
  title: () => "Calls",
  view(data) {
    const { filter, counts, calls: lines, next, guards, searchedTo } = data;
    return [
      h(
        "div",
        { class: "head" },
        h("h1", {}, "Calls"),
        h(
          "p",
          { class: "muted" },
          `${counts.admitted} admitted, ${counts.refused} refused, ${counts.asked} put to a person`,
          data.older === 0
            ? "."
            : ` among the newest; ${data.older} older ${data.older === 1 ? "record is" : "records are"} read as you page.`,
        ),
      ),
      filterForm(data),
      h(
        "section",
        { class: "panel", "aria-label": "Calls" },
        callTable(lines, {
          guards: guards.length > 1 && filter.guard === undefined,
          empty:
            guards.length === 0
              ? firstGuard
              : [searchedTo === undefined ? "No call is such." : "No call so far is such."],
        }),
        ...(next === undefined
          ? []
          : [
              h(
                "p",
                { class: "pages" },
                ...(searchedTo === undefined ? [] : ["Searched back to ", moment(searchedTo), ". "]),
                h(
                  "a",
                  { href: paths.calls({ ...filter, after: next }), rel: "next" },
                  searchedTo === undefined ? "Older calls" : "Search further back",
                ),
              ),
            ]),
      ),
    ];
  },
  text: ({ calls: lines }) => lines.map((call) => `${callLine(call)}\n`).join(""),
};

/** Whether a call is one that a query asks for. */
export function wanted({ query, now, nameOf }: Pick<Asked, "query" | "now" | "nameOf">): (row: Row) => boolean {
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
  return (row) =>
    (verdict === undefined || row.verdict === verdict) &&
    (target === undefined || row.target === target) &&
    (rule === undefined || row.rule === rule) &&
    (reason === undefined || row.reason === reason) &&
    row.at > since &&
    isBy(row);
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
        withChosen(filter[name], options).map(([value, text]) =>
          h("option", { value, selected: filter[name] === value }, text),
        ),
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

/** What the address asks for stays chosen, also where no call in mind has it. */
function withChosen(
  chosen: string | undefined,
  options: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  if (chosen === undefined || options.some(([value]) => value === chosen)) return options;
  return [...options, [chosen, shown(chosen)]];
}
