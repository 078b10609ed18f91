import { html } from "hono/html";
import { formatTime } from "@peerage/core";
import { entryVerb, type Reading, type EntryData } from "../entries.ts";
import { feedFilter, newestWanted } from "../feed-filter.ts";
import { Links } from "../links.ts";
import { agentText } from "../ui/agent.ts";

const ENTRIES = 50;

/** The newest entries, or those of them that a query asks for, as an Atom feed (RFC 4287). Ids are statement ids, so that readers know what they have seen. */
export async function atomFeed(reading: Reading, registryUrl: string, query: URLSearchParams): Promise<string> {
  const { view } = reading.seen;
  const filter = feedFilter(query);
  const { entries } = await newestWanted(view.size, ENTRIES, filter, reading);
  const links = new Links({});
  const wanted = { kind: filter.kind, agent: filter.agent, in: filter.scope };
  const base = registryUrl.replace(/\/$/, "");
  const updated = formatTime(view.time);
  const feed = html`<feed xmlns="http://www.w3.org/2005/Atom">
    <id>urn:peerage:log:${view.origin}</id>
    <title>Peerage: ${view.origin}</title>
    <updated>${updated}</updated>
    <author><name>${view.origin}</name></author>
    <link rel="self" href="${base}${links.atom(wanted)}" />
    <link href="${base}${links.feed(wanted)}" />
    ${entries.map(
      (entry) =>
        html`<entry>
          <id>urn:peerage:${entry.id ?? `entry:${view.origin}/${entry.index}`}</id>
          <title>${sentence(entry)}</title>
          <updated>${formatTime(entry.at)}</updated>
          <link href="${base}${links.entry(entry.index)}" />
          <content type="text">${sentence(entry)}</content>
        </entry> `,
    )}
  </feed> `;
  return `<?xml version="1.0" encoding="utf-8"?>\n${String(await feed)}`;
}

function sentence(entry: EntryData): string {
  const { from, to, scope, confidence, index } = entry;
  const parts = [
    from ? agentText(from) : `entry ${index}`,
    entryVerb(entry),
    to ? agentText(to) : "",
    scope ? `(${scope.join(", ")}, confidence ${confidence ?? 0})` : "",
  ];
  return parts.filter((part) => part !== "").join(" ");
}
