import { html } from "hono/html";
import type { Did } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { AgentRef, Html } from "../page.ts";
import { COMMON_PREFIX, fingerprint, fingerprintText } from "./format.ts";

/** An agent wherever it is named: sigil, name if it has one, and always the fingerprint, as one link. */
export function agentLink(agent: AgentRef, frame: Frame): Html {
  return html`<a class="agent" href="${frame.links.agent(agent.did)}"
    >${frame.sigil(agent.did)}<span class="who">${agentName(agent)}</span></a
  >`;
}

/** Name and fingerprint without sigil and link. */
export function agentName({ did, name }: AgentRef): Html {
  if (name === undefined) return fingerprintHtml(did);
  return html`<bdi class="name">${name}</bdi> ${fingerprintHtml(did)}`;
}

/** The recognisable characters of a DID, with the common ones faint. */
function fingerprintHtml(did: Did): Html {
  const { head, tail } = fingerprint(did);
  return html`<span class="fp" title="${did}"><i>z6Mk</i>${head}<i>…</i>${tail}</span>`;
}

/** The whole DID with the recognisable characters marked. */
export function fullDid(did: Did): Html {
  const { head, tail } = fingerprint(did);
  const middle = did.slice(COMMON_PREFIX.length + head.length, -tail.length);
  return html`<code class="did"><i>${COMMON_PREFIX}</i><b>${head}</b>${middle}<b>${tail}</b></code>`;
}

/** An agent in plain text. */
export function agentText({ did, name }: AgentRef): string {
  return name === undefined ? fingerprintText(did) : `${name} (${fingerprintText(did)})`;
}
