import { html } from "hono/html";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { sumLine, type Working } from "../working.ts";
import { agentLink } from "./agent.ts";
import { chains } from "./chains.ts";
import { count, scoreText } from "./format.ts";

/** Why an agent has its score: the chains, the sum, and the vouch it depends on most. */
export function why(data: Working, frame: Frame): Html {
  if (frame.seen.viewpoint.kind === "none") return noViewpoint(frame);
  if (data.root) {
    return html`<section class="panel">
      <h2>Why 1.00?</h2>
      <p>
        This agent is one of the roots: whoever looks from here starts by trusting it. That is a choice, not a result.
      </p>
    </section>`;
  }
  if (data.score === "unknown") return stranger(data, frame);
  return html`<section class="panel">
    <h2>Why ${scoreText(data.score)}?</h2>
    <p class="muted">
      ${count(data.terms.length, "chain")} from the roots to this agent. What each one carries is added up:
      <code class="sum">${sumLine(data)}</code>
    </p>
    ${chains(data, frame)} ${holdsUp(data, frame)}
  </section>`;
}

/** The one vouch whose loss would cost most. */
export function holdsUp(data: Working, frame: Frame): Html {
  const { holdsUp: support, target } = data;
  const working =
    frame.path === "/explain" ? "" : html`<a href="${frame.links.explain(target.did)}">Full working →</a>`;
  if (!support)
    return html`<p class="note">
      No single vouch holds this up: without any one of them the score is the same. ${working}
    </p>`;
  return html`<p class="note warn">
    <b>What holds this up:</b> without the <a href="${frame.links.vouch(support.vouch)}">vouch</a>&nbsp;of
    ${agentLink(support.from, frame)} ${support.to.did === target.did ? "" : html`for ${agentLink(support.to, frame)}`}
    the score would fall from <b>${scoreText(data.score)}</b> to
    <b>${scoreText(support.scoreAfter)}</b>${support.exact ? "" : " (of those tried)"}. ${working}
  </p>`;
}

/** Without a viewpoint there is no score. */
export function noViewpoint(frame: Frame): Html {
  return html`<section class="panel">
    <h2>Trusted by whom?</h2>
    <p>
      This registry publishes no roots, so there is no score here before you say from whom to look.
      <a href="${frame.links.same("/viewpoint", {})}">Choose a viewpoint →</a>
    </p>
  </section>`;
}

function stranger(data: Working, frame: Frame): Html {
  const { powerless } = data;
  const who =
    powerless.length === 0
      ? html`<p>Nobody vouches for this agent in <b>${data.scope}</b>.</p>`
      : html`<p>
            Nobody the viewer trusts vouches for this agent in <b>${data.scope}</b>, directly or through others.
            ${count(powerless.length, "agent does", "agents do")}, but without power from the roots to pass trust on:
          </p>
          <p class="row">${powerless.slice(0, 8).map((agent) => agentLink(agent, frame))}</p>`;
  return html`<section class="panel">
    <h2>Why unknown?</h2>
    ${who} ${wayIn(data, frame)}
  </section>`;
}

/** The fewest vouches that would lift a score to a threshold. */
export function wayIn({ raise }: Working, frame: Frame): Html {
  if (!raise) return html``;
  const at = raise.threshold.toFixed(2);
  if (raise.options.length === 0)
    return html`<p class="note">No vouch by the agents known here would lift it to ${at}.</p>`;
  return html`<div class="note">
    <p><b>The shortest way to ${at}</b>${raise.options.length > 1 ? ", any one of these" : ""}:</p>
    <ul>
      ${raise.options.slice(0, 3).map(
        ({ by, confidence, scoreAfter }) =>
          html`<li>
            a vouch of <b>${confidence}</b> by
            ${by.map((agent, i) => html`${i > 0 ? " and " : ""}${agentLink(agent, frame)}`)} would make it
            <b>${scoreText(scoreAfter)}</b>
          </li>`,
      )}
    </ul>
  </div>`;
}
