import { type Field, revealed, revealedJson } from "@peerage/core";
import { scoreText } from "../ui/format.ts";
import type { ItemData } from "./item-data.ts";
import { type Child, h, type Node } from "./node.ts";
import { paths } from "./paths.ts";
import { agent, chain, clock } from "./rows.ts";

const stateWords: Readonly<Record<ItemData["state"], readonly [string, string]>> = {
  open: ["◔ waits for an answer", "warn"],
  approved: ["✓ approved, not called yet", "ok"],
  used: ["✓ approved and called", "ok"],
  denied: ["✕ denied", "bad"],
  timeout: ["✕ nobody answered in time", "bad"],
  lapsed: ["– approved, and not called in time", ""],
  replaced: ["– asked anew since", ""],
};

/** An item as a card: what it will do, how it got here, who is asking, and below it the answer. */
export function itemCard(item: ItemData, heading: "h1" | "h2"): Node {
  const { id, state, caller, name, target, expiresAt, log } = item;
  const [word, tone] = stateWords[state];
  const isOpen = state === "open";
  const inner = heading === "h1" ? "h2" : "h3";
  return h(
    "section",
    { class: `panel item ${state}`, "data-item": id, "aria-labelledby": `i-${id}` },
    h(
      "div",
      { class: "itemhead" },
      h(
        heading,
        { class: "asks", id: `i-${id}` },
        agent({ did: caller, ...(name === undefined ? {} : { name }) }),
        h("span", { class: "wants" }, "wants to run"),
        h("code", { class: "wanted" }, h("bdi", {}, revealed(target).slice(1, -1))),
      ),
      h(
        "p",
        { class: "until" },
        isOpen
          ? ["expires ", h("time", { datetime: expiresAt, "data-expires": true }, `at ${expiresAt.slice(11, 19)} UTC`)]
          : h("span", { class: `chip ${tone}` }, word),
      ),
    ),
    h(
      "div",
      { class: "three" },
      h("div", { class: "willdo" }, willDo(item.fields, item.method, item.req, inner)),
      h("div", {}, h(inner, {}, "How it got here"), chain(item.history, decisionNode(item))),
      h("div", {}, h(inner, {}, "Who is asking"), asking(item)),
    ),
    ...(item.jcs === undefined
      ? []
      : [
          h(
            "details",
            { class: "exact" },
            h("summary", {}, "Exact bytes"),
            h("pre", {}, h("code", {}, revealedJson(item.jcs))),
            h("p", { class: "muted small" }, "Their SHA-256 is the request above; the signature is over that."),
          ),
        ]),
    ...(isOpen ? [answer(item)] : []),
    h(
      "p",
      { class: "muted small" },
      "rule ",
      h("code", {}, h("bdi", {}, item.rule)),
      ` of policy ${item.policy.slice(0, 15)}… at `,
      h("bdi", {}, log),
    ),
  );
}

/** The request, every value of it: also drawn by the browser, from the bytes that it has hashed itself. */
export function willDo(
  fields: readonly Field[] | undefined,
  method: string,
  req: string,
  heading: "h2" | "h3",
): Node[] {
  return [
    h(heading, {}, "What it will do"),
    fields === undefined
      ? h("p", { class: "muted" }, "What was asked is not kept after the end; its digest is.")
      : h(
          "dl",
          { class: "fields" },
          fields.flatMap(({ path, value }) => [h("dt", {}, h("bdi", {}, path)), h("dd", {}, h("bdi", {}, value))]),
        ),
    h("p", { class: "muted small req" }, h("code", {}, method), " request ", h("code", {}, req)),
  ];
}

function decisionNode({ state, answers, count }: ItemData): Node[] {
  const given = answers.map(({ by, name, result, at }) =>
    h(
      "li",
      { class: "signed" },
      agent({ did: by, ...(name === undefined ? {} : { name }) }),
      h("code", {}, result),
      clock(at),
      h("span", { class: "chip ok" }, "✓ signed"),
    ),
  );
  if (state !== "open") return given;
  const missing = count - answers.length;
  return [
    ...given,
    h(
      "li",
      { class: "yours" },
      h("b", {}, missing === 1 ? "your decision" : `your decision: ${missing} people must approve`),
    ),
  ];
}

function asking({ score, before, first, caller, self, approvers }: ItemData): Node {
  const number: Child =
    score === undefined
      ? h("p", { class: "score unknown" }, "no score")
      : h("p", { class: score === "unknown" ? "score unknown" : "score" }, scoreText(score));
  const width = typeof score === "number" ? Math.max(1.5, Math.round(score * 1000) / 10) : 0;
  return h(
    "div",
    {},
    number,
    h(
      "svg",
      {
        class: width > 0 ? "bar" : "bar empty",
        viewBox: "0 0 100 6",
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      h("rect", { class: "track", width: 100, height: 6 }),
      ...(width > 0 ? [h("rect", { class: "fill", width, height: 6 })] : []),
    ),
    h(
      "p",
      {},
      score === "unknown" || score === undefined
        ? "Nobody you trust vouches for it. "
        : "Trust as this guard sees it. ",
      `Before: ${before.admitted} admitted, ${before.refused} refused. `,
      ...(first ? [h("b", {}, "Never ran this here before. ")] : []),
      h("a", { href: paths.agent(caller) }, "What it did here"),
    ),
    h(
      "p",
      { class: "muted small" },
      `${approvers.length === 1 ? "One key" : `${approvers.length} keys`} may answer${self ? ", its own included" : ", its own never"}.`,
    ),
  );
}

/** Without scripts: the same answer from a terminal. The browser puts its own controls in this place. */
function answer({ req, id, jcs }: ItemData): Node {
  const word = req.slice(7, 15);
  return h(
    "div",
    { class: "answer-box", "data-answer": id },
    jcs === undefined
      ? h("p", { class: "note bad" }, "What was asked is not there to be shown, so nobody can approve it.")
      : h(
          "p",
          { class: "muted" },
          "Answer in a terminal: ",
          h("code", {}, `peerage approvals approve ${word}`),
          " or ",
          h("code", {}, `peerage approvals deny ${word}`),
          ".",
        ),
  );
}
