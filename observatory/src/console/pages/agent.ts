import { type Did, parseDid, type Score } from "@peerage/core";
import { COMMON_PREFIX, fingerprint, scoreText } from "../../ui/format.ts";
import type { ConsolePage } from "../ask.ts";
import type { Row } from "../row.ts";
import { newestFirst } from "../ledgers.ts";
import { countsOf, lineOf, policyReader, present, shown } from "../live.ts";
import type { CallLine, Counts } from "../live-data.ts";
import { h, type Node, sigil } from "../node.ts";
import { paths } from "../paths.ts";
import { callTable, tone } from "../rows.ts";
import { gateText } from "../words.ts";
import { callLine } from "./live.ts";

const SHOWN_CALLS = 15;

interface TargetData extends Counts {
  readonly method: string;
  readonly target: string;
  readonly rule: string;
}

export interface AgentData {
  readonly did: Did;
  readonly name?: string;
  readonly score?: Score;
  readonly counts: Counts;
  readonly targets: readonly TargetData[];
  readonly calls: readonly CallLine[];
  readonly several: boolean;
  /** Where the network is explained. */
  readonly registry?: string;
}

/** What an agent did here, and what to do about it. */
export const agentPage: ConsolePage<AgentData> = {
  load(asked) {
    const did = parseDid(asked.parameter);
    const rows = newestFirst(asked.ledgers).filter((row) => row.did === did && !row.unverified);
    const policies = policyReader(asked.ledgers);
    const groups = new Map<string, Row[]>();
    for (const row of rows) {
      const key = `${row.method}\n${row.target}`;
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    return {
      did,
      ...present("name", asked.nameOf(did)),
      ...present("score", rows.find(({ score }) => score !== undefined)?.score),
      counts: countsOf(rows),
      targets: [...groups.values()].flatMap((of) => {
        const [newest] = of;
        if (!newest) return [];
        const { method, target } = newest;
        return [{ ...countsOf(of), method, target, rule: shown(gateText(policies(newest), method, target)) }];
      }),
      calls: rows.slice(0, SHOWN_CALLS).map((row) => lineOf(row, asked, policies)),
      several: asked.guards.length > 1,
      ...present("registry", asked.options.registryUrl),
    };
  },
  title: ({ name, did }) => name ?? `z6Mk${did.slice(12, 17)}…`,
  view(data) {
    const { did, name, score, counts, calls, several } = data;
    return [
      h(
        "div",
        { class: "agenthead" },
        sigil(did, { class: "sigil huge" }),
        h(
          "div",
          {},
          h("h1", {}, h("bdi", {}, name ?? `z6Mk${did.slice(12, 17)}…${did.slice(-4)}`)),
          h("p", { class: "didline", "data-copy": did }, h("code", { class: "did" }, didParts(did))),
          h(
            "p",
            { class: "chips" },
            h("span", { class: tone(counts.admitted, "ok") }, `✓ ${counts.admitted} admitted`),
            h("span", { class: tone(counts.refused, "bad") }, `✕ ${counts.refused} refused`),
            h("span", { class: tone(counts.asked, "warn") }, `◔ ${counts.asked} put to a person`),
          ),
        ),
        h(
          "div",
          { class: "verdict" },
          h("p", { class: "label" }, "Trust, as this guard saw it last"),
          h(
            "p",
            { class: typeof score === "number" ? "score" : "score unknown" },
            score === undefined ? "never asked" : scoreText(score),
          ),
          ...(data.registry === undefined
            ? []
            : [
                h(
                  "p",
                  { class: "small" },
                  h("a", { href: explainUrl(data.registry, did), rel: "noopener noreferrer" }, "Why? Ask the registry"),
                ),
              ]),
        ),
      ),
      h(
        "div",
        { class: "columns wide-left" },
        h(
          "section",
          { class: "panel", "aria-labelledby": "calls" },
          h(
            "h2",
            { id: "calls" },
            "Newest calls",
            h("a", { class: "more", href: paths.calls({ caller: did }) }, "All of them"),
          ),
          callTable(calls, {
            guards: several,
            agents: false,
            empty: ["This agent has not called here, as far as the console remembers."],
          }),
        ),
        h("div", {}, targetsPanel(data), linesPanel(data)),
      ),
    ];
  },
  text: ({ did, counts, calls }) =>
    [`${did}  ${counts.admitted} admitted, ${counts.refused} refused`, ...calls.map(callLine), ""].join("\n"),
};

function didParts(did: Did): (Node | string)[] {
  const { head, tail } = fingerprint(did);
  const middle = did.slice(COMMON_PREFIX.length + head.length, -tail.length);
  return [h("i", {}, COMMON_PREFIX), h("b", {}, head), middle, h("b", {}, tail)];
}

function targetsPanel({ targets, did }: AgentData): Node {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "targets" },
    h("h2", { id: "targets" }, "What it called"),
    targets.length === 0
      ? h("p", { class: "muted" }, "Nothing yet.")
      : h(
          "ul",
          { class: "plainlist" },
          targets.map(({ target, admitted, refused, asked, rule }) =>
            h(
              "li",
              {},
              h("a", { href: paths.calls({ caller: did, target }) }, h("code", {}, h("bdi", {}, shown(target)))),
              h("span", { class: "muted small" }, ` ${rule}`),
              h("br"),
              h(
                "span",
                { class: "small" },
                `${admitted} ok`,
                ...(refused > 0 ? [h("span", { class: "status bad" }, ` · ${refused} refused`)] : []),
                ...(asked > 0 ? [h("span", { class: "status warn" }, ` · ${asked} asked`)] : []),
              ),
            ),
          ),
        ),
  );
}

/** Lines to copy into the policy, and the commands that write them. */
function linesPanel({ did, targets }: AgentData): Node {
  const tools = targets.filter(({ method }) => method === "tools/call").map(({ target }) => target);
  const named = tools.filter((tool) => /^[A-Za-z0-9_.:/-]{1,64}$/.test(tool)).slice(0, 6);
  const list = named.length > 0 ? named.join(", ") : "the-tool";
  const id = did.slice(12, 17).toLowerCase();
  const grant = `allow:\n- {id: grant-${id}, tools: [${list}], agents: "${did}"}`;
  const block = `deny:\n- {id: block-${id}, tools: "*", agents: "${did}", because: blocked by the operator}`;
  return h(
    "section",
    { class: "panel", "aria-labelledby": "lines" },
    h("h2", { id: "lines" }, "Grant or block it"),
    h("p", { class: "label" }, "To let it in"),
    h("div", { "data-copy": grant }, h("pre", {}, h("code", {}, grant))),
    h("p", { class: "muted small" }, "or ", h("code", {}, `peerage policy grant ${did} ${named[0] ?? "<tool>"}`)),
    h("p", { class: "label" }, "To keep it out"),
    h("div", { "data-copy": block }, h("pre", {}, h("code", {}, block))),
    h("p", { class: "muted small" }, "or ", h("code", {}, `peerage policy revoke ${did}`)),
  );
}

/** The page of the registry that explains an agent; a registry is http or https, never anything else. */
function explainUrl(registry: string, did: Did): string {
  const url = new URL(`/explain?to=${did}`, registry);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : "#";
}
