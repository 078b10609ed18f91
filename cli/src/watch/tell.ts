import type { JsonObject } from "@peerage/core";
import type { Context } from "../context.ts";
import { envelope } from "../output.ts";
import { styledFingerprint } from "../ui/agent.ts";
import type { TrustEvent } from "./events.ts";

/** An event in one sentence, of DIDs and fixed words only: nothing in it was chosen freely by anybody. */
function sentenceOf(event: TrustEvent): string {
  switch (event.type) {
    case "vouch":
      return `${event.issuer} vouches for ${event.subject} in ${event.scope.join(", ")} with confidence ${event.confidence}.`;
    case "revocation":
      return event.subject === undefined
        ? `${event.issuer} withdraws ${event.target}, which this log does not hold.`
        : `${event.issuer} withdraws ${event.revokes === "subject" ? "all its vouches" : "a vouch"} for ${event.subject}.`;
    case "key":
      return event.event === "burn"
        ? `${event.issuer} has burnt its key: nothing that it gave or received counts any more.`
        : `Key event of ${event.issuer}: ${event.event}.`;
    case "report":
      return `${event.issuer} reports ${event.subject}: ${event.category}.`;
    case "score":
      return `${event.agents[0] ?? ""} is ${event.crossed} ${event.min} in ${event.scope}: ${event.score}.`;
  }
}

/** The body of a delivery: the form that Slack's incoming webhooks take, with the event itself for programs. */
export function deliveryOf(event: TrustEvent): string {
  const text = sentenceOf(event);
  return JSON.stringify({
    text,
    blocks: [{ type: "section", text: { type: "plain_text", text } }],
    metadata: { event_type: "peerage_trust_event", event_payload: event as unknown as JsonObject },
  });
}

/** An event as it is written to stdout: a line of JSON, or one for people. */
export function linesOf({ globals, ui }: Pick<Context, "globals" | "ui">, event: TrustEvent, seq: number): string[] {
  if (globals.json === true) return [envelope("watch", { data: { seq, ...event }, text: [] })];
  if (globals.plain === true) return [[seq, event.id, event.type, event.at, event.agents.join(",")].join("\t")];
  const line = (kind: string, what: string): string[] =>
    ui.table([[ui.dim(event.at), ui.pad(kind, WIDEST_KIND), what]]);
  const agent = (did: Parameters<typeof styledFingerprint>[1]): string => styledFingerprint(ui, did);
  if (event.type === "score") {
    const score = event.score === "unknown" ? "unknown" : event.score.toFixed(2);
    const crossed = event.crossed === "above" ? ui.good("above") : ui.bad("below");
    const whose = event.agents.map(agent).join(" ");
    return line(ui.bold("score"), `${whose}  ${score} ${crossed} ${event.min}  ${ui.accent(event.scope)}`);
  }
  const issuer = agent(event.issuer);
  const entry = ui.dim(`#${event.index}`);
  switch (event.type) {
    case "vouch": {
      const what = `${ui.accent(event.scope.join(" "))} ${event.confidence}`;
      return line(ui.good("vouch"), `${issuer} ${ui.mark.arrow} ${agent(event.subject)}  ${what}  ${entry}`);
    }
    case "revocation": {
      const whose = event.subject === undefined ? event.target : agent(event.subject);
      return line(ui.bad("withdrawn"), `${issuer} ${ui.mark.arrow} ${whose}  ${entry}`);
    }
    case "key":
      return line(ui.warn("key"), `${issuer}  ${event.event}  ${entry}`);
    case "report":
      return line(ui.warn("report"), `${issuer} ${ui.mark.arrow} ${agent(event.subject)}  ${event.category}  ${entry}`);
  }
}

/** `withdrawn`: so that lines which come one by one stand in columns. */
const WIDEST_KIND = 9;
