import { canonicalize, type Digest, parseEntry } from "@peerage/core";
import type { Asked } from "./ask.ts";
import { requestFields } from "./fields.ts";
import type { ItemData } from "./item-data.ts";
import type { Ledger } from "./ledger.ts";
import { countsOf, present, shown } from "./live.ts";
import type { GuardItem } from "./source.ts";
import { entryAt } from "./trace.ts";

const SHOWN_ENTRIES = 40;

/** An item with what it rests on. */
export function itemData(item: GuardItem, ledger: Ledger, { nameOf, now }: Pick<Asked, "nameOf" | "now">): ItemData {
  const { id, guard, caller, method, target, req, rule, policy, run, prev, approvers, self, count, request } = item;
  const rows = ledger.rows.filter(({ did, unverified }) => did === caller && !unverified);
  const before = rows.filter((row) => row.item !== id);
  const state = item.state === "open" && item.expiresAt <= now ? "timeout" : item.state;
  return {
    id,
    log: ledger.name,
    state,
    guard,
    caller,
    ...present("name", nameOf(caller)),
    method,
    target,
    req,
    rule,
    policy,
    policyMoved: ledger.policy !== undefined && ledger.policy !== policy,
    run,
    prev,
    approvers,
    self,
    count,
    filedAt: item.filedAt.toISOString(),
    expiresAt: item.expiresAt.toISOString(),
    answers: item.answers.map(({ by, result, at }) => ({
      by,
      ...present("name", nameOf(by)),
      result,
      at: at.toISOString(),
    })),
    ...(request === undefined ? {} : { jcs: canonicalize({ ...request }), fields: requestFields(request.params) }),
    history: groundsOf(item, ledger, nameOf),
    ...present("score", rows.findLast((row) => row.item === id)?.score),
    before: countsOf(before),
    first: !before.some((row) => row.target === target && row.verdict === "admitted"),
  };
}

/** The entries that an answer must build on, and what those rest on. */
function groundsOf({ prev }: GuardItem, { source }: Ledger, nameOf: Asked["nameOf"]): ItemData["history"] {
  const found = new Map<Digest, ItemData["history"][number]>();
  const open: Digest[] = [...prev];
  for (let digest = open.pop(); digest !== undefined && found.size < SHOWN_ENTRIES; digest = open.pop()) {
    if (found.has(digest)) continue;
    found.set(digest, { digest, ...entryAt(source, digest, nameOf) });
    const token = source.entry(digest);
    try {
      if (token !== undefined) open.push(...parseEntry(token).prev);
    } catch {
      // It is shown as broken; what it claims to rest on is no ground.
    }
  }
  return [...found.values()].sort((a, b) => ((a.at ?? "") < (b.at ?? "") ? -1 : 1));
}

/** What an item asks, in a line. */
export function itemLine({ state, name, caller, target, req, expiresAt }: ItemData): string {
  return `${req.slice(7, 15)}  ${state}  ${name ?? caller}  ${shown(target)}  until ${expiresAt.slice(0, 19)}Z`;
}
