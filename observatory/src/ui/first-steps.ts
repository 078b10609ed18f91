import { html } from "hono/html";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { command } from "./command.ts";

/** How to be the first, where nobody is there yet. */
export function firstSteps({ registryUrl }: Frame): Html {
  return html`<section class="panel steps">
    <h2>Nobody is here yet. Be the first.</h2>
    <ol>
      <li>
        <b>Make an identity and join</b>
        <pre><code>${command(`peerage init --registry ${registryUrl}`)}</code></pre>
      </li>
      <li>
        <b>Vouch for an agent that you know</b>
        <pre><code>${command("peerage vouch did:key:z6Mk… --scope tools --confidence 80")}</code></pre>
      </li>
      <li>
        <b>Guard a tool server: strangers are refused</b>
        <pre><code>peerage guard -- npx -y @modelcontextprotocol/server-everything</code></pre>
      </li>
    </ol>
    <p class="muted">No account: the key stays on your machine, and this registry only carries what you sign.</p>
  </section>`;
}
