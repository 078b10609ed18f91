import { html } from "hono/html";
import type { Did } from "@peerage/core";
import type { Asked, Html, Page } from "../page.ts";
import { agentLink } from "../ui/agent.ts";
import { COMMON_PREFIX } from "../ui/format.ts";
import { foreign } from "../ui/foreign.ts";

/** A problem document (RFC 9457) with the code of the `PeerageError`. */
export interface Failure {
  readonly status: 400 | 404 | 500;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** The DID that was looked for. */
  readonly about?: string;
}

/** The page for what is not there or cannot be read. */
export function failure(
  problem: Failure,
  asked: Pick<Asked, "ref"> & { seen: Pick<Asked["seen"], "view"> },
): Page<Failure> {
  return {
    load: () => problem,
    title: ({ title }) => `${title} · Peerage`,
    html: ({ status, title, detail, code, about }, frame) =>
      html`<section class="panel failure">
        <p class="label">${status}</p>
        <h1>${title}</h1>
        <p><bdi>${withCode(foreign(detail) ?? "")}</bdi></p>
        <p class="muted"><code>${code}</code></p>
        ${
          about === undefined
            ? ""
            : html`<p>The nearest here:</p>
                <p class="row">${nearest(about, asked).map((did) => agentLink(asked.ref(did), frame))}</p>`
        }
        <p class="row">
          <a href="${frame.links.home()}">Home</a> <a href="${frame.links.agents()}">All agents</a>
          <a href="${frame.links.log()}">The log</a>
        </p>
      </section>`,
    text: ({ status, title, detail, code }) => `${status} ${title}: ${foreign(detail) ?? ""} (${code})\n`,
  };
}

/** What stands between backticks as code. */
function withCode(text: string): (Html | string)[] {
  return text.split("`").map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}

/** The three agents whose DIDs begin most like the one that is not there. */
function nearest(about: string, { seen }: { seen: Pick<Asked["seen"], "view"> }): Did[] {
  const wanted = about.slice(COMMON_PREFIX.length);
  const common = (did: Did): number => {
    const rest = did.slice(COMMON_PREFIX.length);
    let i = 0;
    while (i < rest.length && rest[i] === wanted[i]) i++;
    return i;
  };
  let best: { did: Did; n: number }[] = [];
  for (const did of seen.view.agents()) {
    const n = common(did);
    if (best.length === 3 && n <= (best[2]?.n ?? 0)) continue;
    best = [...best, { did, n }].sort((a, b) => b.n - a.n).slice(0, 3);
  }
  return best.map(({ did }) => did);
}
