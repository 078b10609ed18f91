import { fingerprint } from "../ui/format.ts";
import type { Did } from "@peerage/core";
import type { CallLine } from "./live-data.ts";
import { type Child, h, type Node, sigil } from "./node.ts";
import { paths } from "./paths.ts";
import { msText } from "./topology.ts";
import { verdictMarks } from "./words.ts";

/** Calls as a table; on narrow pages each is a card. */
export function callTable(
  calls: readonly CallLine[],
  options: { readonly guards: boolean; readonly agents?: false; readonly empty: readonly Child[] },
): Node {
  if (calls.length === 0) return h("p", { class: "muted" }, options.empty);
  const heads = [
    ["Time", ""],
    ...(options.agents === false ? [] : [["Agent", ""]]),
    ["Target", ""],
    ["Decision", ""],
    ["Because", ""],
    ...(options.guards ? [["Guard", ""]] : []),
    ["ms", "num"],
    ["Proof", ""],
  ];
  return h(
    "table",
    { class: "cards calls" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map(([text = "", kind = ""]) => h("th", kind === "" ? {} : { class: kind }, text)),
      ),
    ),
    h(
      "tbody",
      {},
      calls.map((call) => callRow(call, options)),
    ),
  );
}

function callRow(call: CallLine, { guards, agents }: { readonly guards: boolean; readonly agents?: false }): Node {
  const cell = (label: string, attrs: Record<string, string>, ...children: readonly Child[]): Node =>
    h("td", { "data-label": label, ...attrs }, children);
  return h(
    "tr",
    { "data-call": call.id },
    cell("Time", {}, clock(call.at)),
    ...(agents === false ? [] : [cell("Agent", { class: "plain" }, caller(call))]),
    cell("Target", {}, h("code", {}, h("bdi", {}, call.target))),
    cell("Decision", {}, verdict(call.verdict)),
    cell("Because", { class: "why" }, h("bdi", {}, call.why)),
    ...(guards ? [cell("Guard", {}, h("bdi", {}, call.guard))] : []),
    cell("ms", { class: "num" }, call.ms === undefined ? "–" : msText(call.ms).replace(" ms", "")),
    h("td", {}, h("a", { href: paths.call(call.id), "aria-label": `open call ${call.seq}` }, "open")),
  );
}

/** Who called: sigil, name and fingerprint, or what is missing. */
export function caller({ did, name, unverified }: Pick<CallLine, "did" | "name" | "unverified">): Node {
  if (did === undefined) return h("span", { class: "muted" }, "unsigned");
  return h(
    "span",
    { class: "row tight" },
    agent({ did, ...(name === undefined ? {} : { name }) }),
    ...(unverified ? [h("span", { class: "chip bad" }, "not proven")] : []),
  );
}

/** An agent wherever it is named: sigil, name if it has one, and always the fingerprint, as one link. */
export function agent({ did, name }: { readonly did: Did; readonly name?: string }): Node {
  return h(
    "a",
    { class: "agent", href: paths.agent(did) },
    sigil(did),
    h("span", { class: "who" }, agentWords(did, name)),
  );
}

/** Name and fingerprint, without sigil and link. */
function agentWords(did: Did, name: string | undefined): Node[] {
  const { head, tail } = fingerprint(did);
  const print = h("span", { class: "fp", title: did }, h("i", {}, "z6Mk"), head, h("i", {}, "…"), tail);
  return name === undefined ? [print] : [h("bdi", { class: "name" }, name), print];
}

/** A verdict with its mark and its word. */
export function verdict(of: CallLine["verdict"]): Node {
  const [sign, word, tone] = verdictMarks[of];
  return h("span", { class: `chip ${tone}` }, `${sign} ${word}`);
}

/** How many of a kind, in its colour where there are any. */
export function tone(n: number, kind: "ok" | "bad" | "warn"): string {
  return n === 0 ? "chip" : `chip ${kind}`;
}

/** What to do where no guard has written anything. */
export const firstGuard: readonly Child[] = [
  "Put a guard before a tool server, and its calls stand here: ",
  h("code", { class: "line" }, "peerage guard -- npx -y @modelcontextprotocol/server-everything"),
];

/** The time of day in UTC, the whole time beside it. */
export function clock(at: string): Node {
  return h("time", { datetime: at, title: `${at.slice(0, 19).replace("T", " ")} UTC` }, at.slice(11, 19));
}

/** Day and time of day in UTC. */
export function moment(at: string): Node {
  return h("time", { datetime: at }, `${at.slice(0, 19).replace("T", " ")} UTC`);
}

/** A signed step as a link of a chain. */
export interface ChainLink {
  readonly digest: string;
  readonly did?: string;
  readonly name?: string;
  readonly step: string;
  readonly result: string;
  readonly at?: string;
  readonly state: "signed" | "broken" | "gone";
  readonly counted?: boolean;
  readonly usedUp?: boolean;
  readonly held?: boolean;
}

/** The signed steps as a chain, each over the one before. */
export function chain(history: readonly ChainLink[], end: readonly Node[] = []): Node {
  return h(
    "ol",
    { class: "chainline" },
    history.map((entry) => {
      const { did, name, step, result, at, state, digest } = entry;
      const who: Child[] =
        did === undefined ? [] : [agent({ did: did as Did, ...(name === undefined ? {} : { name }) })];
      const uses = [entry.counted && "counted", entry.usedUp && "used up", entry.held && "held by the guard"];
      const sign: readonly [string, string] =
        state === "signed"
          ? ["✓ signed", "ok"]
          : state === "broken"
            ? ["✕ does not verify", "bad"]
            : ["– not kept", ""];
      return h(
        "li",
        { class: state },
        ...who,
        h("code", { title: digest }, [step, result].filter((part) => part !== "").join(" / ")),
        ...(at === undefined ? [] : [h("time", { datetime: at, title: at }, at.slice(11, 19))]),
        h("span", { class: `chip ${sign[1]}` }, sign[0]),
        ...uses.flatMap((use) => (typeof use === "string" ? [h("span", { class: "tag" }, use)] : [])),
      );
    }),
    end,
  );
}
