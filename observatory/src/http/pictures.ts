import { parseDid, PeerageError } from "@peerage/core";
import { viewpointText } from "../frame.ts";
import { nearest, orbitOf } from "../map/orbit.ts";
import type { Asked } from "../page.ts";
import { badge, type BadgeData, card } from "../ui/badge.ts";
import { chainsEmbed, orbitEmbed, type Theme } from "../ui/embeds.ts";
import { orbitAgents } from "../ui/orbit.ts";
import { working } from "../working.ts";

/** Pictures of agents for pages elsewhere. */
export const pictureNames = ["badge.svg", "card.svg", "orbit.svg", "chains.svg"] as const;
export type PictureName = (typeof pictureNames)[number];

/** Agents of an orbit that is a picture on another page. */
const AROUND = 60;

/**
 * The SVG text of a badge, a card, an orbit or the chains of a score: it runs nothing and refers to nothing, so it works
 * in an `<img>` anywhere. Orbit and chains are for light pages unless the query says `theme=dark`.
 * @throws {PeerageError} ERR_DID_INVALID, ERR_NOT_FOUND, ERR_REQUEST_INVALID
 */
export async function picture(name: PictureName, asked: Asked): Promise<string> {
  const { seen, ref, parameter, query } = asked;
  const did = parseDid(parameter);
  const record = seen.view.agent(did);
  if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
  if (name === "orbit.svg") {
    const near = nearest(orbitOf(seen, did), AROUND);
    const shown = { around: orbitAgents(near, AROUND, asked), least: near.least };
    return String(await orbitEmbed({ agent: ref(did), scope: seen.scope }, shown, themeOf(query)));
  }
  const explanation = seen.explain(did);
  const data: BadgeData = {
    agent: ref(did),
    score: explanation.score,
    scope: seen.scope,
    viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
    active: record.key.status === "active",
    vouches: record.received.filter(({ status }) => status === "in-force").length,
    chains: explanation.independentVouchers,
  };
  if (name === "chains.svg") {
    return String(await chainsEmbed(data, working(explanation, asked).terms, themeOf(query)));
  }
  return String(await (name === "badge.svg" ? badge(data) : card(data)));
}

function themeOf(query: URLSearchParams): Theme {
  const theme = query.get("theme") ?? "light";
  if (theme !== "light" && theme !== "dark") {
    throw new PeerageError("ERR_REQUEST_INVALID", "`theme` is light or dark");
  }
  return theme;
}
