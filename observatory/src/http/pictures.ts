import { parseDid, PeerageError } from "@peerage/core";
import { viewpointText } from "../frame.ts";
import type { Asked } from "../page.ts";
import { badge, type BadgeData, card } from "../ui/badge.ts";

/** Pictures of agents for pages elsewhere. */
export type PictureName = "badge.svg" | "card.svg";

const pictures = { "badge.svg": badge, "card.svg": card } as const;

/** The SVG text of a badge or a card. @throws {PeerageError} ERR_DID_INVALID, ERR_NOT_FOUND */
export async function picture(name: PictureName, asked: Asked): Promise<string> {
  const { seen, ref, parameter } = asked;
  const did = parseDid(parameter);
  const record = seen.view.agent(did);
  if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
  const { score, independentVouchers } = seen.explain(did);
  const data: BadgeData = {
    agent: ref(did),
    score,
    scope: seen.scope,
    viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
    active: record.key.status === "active",
    vouches: record.received.filter(({ status }) => status === "in-force").length,
    chains: independentVouchers,
  };
  return String(await pictures[name](data));
}
