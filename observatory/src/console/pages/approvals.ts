import { isPeerageError, PeerageError } from "@peerage/core";
import type { Asked, ConsolePage } from "../ask.ts";
import { itemData, itemLine } from "../item.ts";
import type { InboxData, ItemData } from "../item-data.ts";
import { itemCard } from "../item-view.ts";
import type { Ledger } from "../ledger.ts";
import { shown } from "../live.ts";
import { h, type Node } from "../node.ts";
import { paths } from "../paths.ts";
import { agent, moment } from "../rows.ts";
import type { GuardItem } from "../source.ts";

/** Cards that are shown whole; what is beyond is a line. */
const SHOWN_CARDS = 10;
const SHOWN_CLOSED = 20;

/** What waits for a person, oldest first. */
export const approvals: ConsolePage<InboxData> = {
  load(asked) {
    const open = itemsOf(asked, ["open"]).filter(({ state }) => state === "open");
    const closed = itemsOf(asked, ["approved", "used", "denied", "timeout", "lapsed", "replaced"]).reverse();
    return {
      open: open.sort((a, b) => (a.filedAt < b.filedAt ? -1 : 1)),
      closed: closed.sort((a, b) => (a.filedAt > b.filedAt ? -1 : 1)).slice(0, SHOWN_CLOSED),
    };
  },
  title: ({ open }) => (open.length === 0 ? "Approvals" : waitText(open.length)),
  view: ({ open, closed }) => [
    h(
      "div",
      { class: "head" },
      h("h1", {}, open.length === 0 ? "Nothing waits for you" : waitText(open.length)),
      h(
        "p",
        { class: "muted" },
        "You sign with a key that this browser keeps and cannot hand out. Your signature becomes a step in the call’s history; the guard checks it before it runs anything. ",
        h("a", { href: paths.approver() }, "Your key"),
      ),
    ),
    h("p", { class: "arrived", hidden: true }, h("a", { href: paths.approvals() }, "A new request has come: show it")),
    ...open.slice(0, SHOWN_CARDS).map((item) => signing(item, "h2")),
    ...(open.length > SHOWN_CARDS ? [linesOf("More that wait", open.slice(SHOWN_CARDS))] : []),
    ...(closed.length > 0 ? [linesOf("Answered and past", closed)] : []),
  ],
  text: ({ open }) => open.map((item) => `${itemLine(item)}\n`).join("") || "nothing waits for a person\n",
};

/** One request that waits, or waited, for a person. */
export const approval: ConsolePage<ItemData> = {
  load(asked) {
    const { ledgers, parameter } = asked;
    for (const ledger of ledgers) {
      try {
        return itemData(ledger.source.item(parameter), ledger, asked);
      } catch (error) {
        if (!isPeerageError(error, "ERR_NOT_FOUND")) throw error;
      }
    }
    throw new PeerageError("ERR_NOT_FOUND", "there is no such request");
  },
  title: ({ target }) => shown(target),
  view: (item) => [
    signing(item, "h1"),
    h(
      "p",
      { class: "row" },
      h("a", { href: paths.approvals() }, "All that waits"),
      h("a", { href: paths.approver() }, "Your key"),
    ),
  ],
  text: (item) =>
    [
      itemLine(item),
      `caller  ${item.caller}`,
      `req     ${item.req}`,
      ...(item.fields ?? []).map(({ path, value }) => `${path}  ${value}`),
      "",
    ].join("\n"),
};

/** A card that the browser can answer: it gets the bytes, and all that the answer speaks of. */
function signing(item: ItemData, heading: "h1" | "h2"): Node {
  if (item.state !== "open") return itemCard(item, heading);
  return h("peerage-approve", { "data-facts": JSON.stringify(item) }, itemCard(item, heading));
}

function itemsOf(asked: Asked, states: readonly GuardItem["state"][]): ItemData[] {
  const of = (ledger: Ledger): ItemData[] =>
    ledger.source.items(states).map((item) => itemData(wholeItem(ledger, item), ledger, asked));
  return asked.ledgers.flatMap(of);
}

/** What is kept of a request is shown only if it is the one that the digest names. */
function wholeItem({ source }: Ledger, item: GuardItem): GuardItem {
  try {
    return source.item(item.id);
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    const { request: _request, ...rest } = item;
    return rest;
  }
}

function waitText(n: number): string {
  return n === 1 ? "1 call waits for you" : `${n} calls wait for you`;
}

function linesOf(title: string, items: readonly ItemData[]): Node {
  return h(
    "section",
    { class: "panel", "aria-label": title },
    h("h2", {}, title),
    h(
      "table",
      { class: "cards" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Asked", "Agent", "Target", "State", "Request"].map((text) => h("th", {}, text)),
        ),
      ),
      h(
        "tbody",
        {},
        items.map((item) =>
          h(
            "tr",
            {},
            h("td", { "data-label": "Asked", class: "dates" }, moment(item.filedAt)),
            h(
              "td",
              { "data-label": "Agent" },
              agent({ did: item.caller, ...(item.name === undefined ? {} : { name: item.name }) }),
            ),
            h("td", { "data-label": "Target" }, h("code", {}, h("bdi", {}, shown(item.target)))),
            h("td", { "data-label": "State" }, stateChip(item.state)),
            h("td", {}, h("a", { href: paths.approval(item.id) }, h("code", {}, item.req.slice(7, 15)))),
          ),
        ),
      ),
    ),
  );
}

const chips: Readonly<Record<ItemData["state"], readonly [string, string]>> = {
  open: ["◔ waiting", "warn"],
  approved: ["✓ approved", "ok"],
  used: ["✓ called", "ok"],
  denied: ["✕ denied", "bad"],
  timeout: ["✕ no answer", "bad"],
  lapsed: ["– not called", ""],
  replaced: ["– asked anew", ""],
};

function stateChip(state: ItemData["state"]): Node {
  const [text, tone] = chips[state];
  return h("span", { class: `chip ${tone}` }, text);
}
