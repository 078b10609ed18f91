import { type Did, fromUtf8, scoreVector, type View } from "@peerage/core";
import { ownName } from "../agents.ts";
import type { Context } from "../context.ts";
import { agentLabel } from "../ui/agent.ts";
import { count, rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import type { Judged } from "./judge.ts";

/** A judged message with what the reader knows of its sender. */
export type Sorted = Judged & {
  readonly score: number | "unknown";
  /** The reader's own name for the sender. */
  readonly name: string | undefined;
};

/** Those whose senders the roots trust first, the most trusted of them before; then unknown ones; refused ones last. */
export async function order(
  context: Context,
  judged: readonly Judged[],
  by: { readonly view: View; readonly scope: string; readonly roots: readonly Did[] },
): Promise<Sorted[]> {
  const scores = scoreVector(by.view.graph(by.scope), by.roots);
  const sorted: Sorted[] = [];
  for (const one of judged) {
    const sender = one.message?.sender;
    const score = sender === undefined ? "unknown" : scores.score(sender);
    sorted.push({ ...one, score, name: sender === undefined ? undefined : await ownName(context, sender) });
  }
  return sorted.sort((a, b) => rank(b) - rank(a) || newest(b) - newest(a));
}

function rank({ message, score }: Sorted): number {
  return message === undefined ? -2 : score === "unknown" ? -1 : score;
}

function newest({ message, kept }: Sorted): number {
  return message?.issuedAt ?? kept.received;
}

/** A message that was believed, for `--json`. */
export function messageData({ kept, message, score, name }: Sorted, options: { readonly read?: true } = {}): object {
  if (!message) throw new TypeError("a refused message has no sender");
  return {
    id: kept.id,
    status: "authentic",
    from: message.sender,
    ...(name === undefined ? {} : { name }),
    score,
    sent: rfc3339(message.issuedAt),
    received: rfc3339(kept.received),
    bytes: message.body.length,
    read: options.read ?? kept.read,
  };
}

/** One message of a list, for `--json`. */
export function listData(one: Sorted): object {
  if (one.message) return messageData(one);
  const { kept, error } = one;
  return { id: kept.id, status: "refused", received: rfc3339(kept.received), bytes: kept.sealed.length, error };
}

/** The rows of `--plain`. */
export function listRows(sorted: readonly Sorted[]): (string | number)[][] {
  return sorted.map(({ kept, message, error, score }) =>
    message
      ? [kept.id, score, message.sender, rfc3339(message.issuedAt), message.body.length]
      : [kept.id, "refused", error.code, rfc3339(kept.received), kept.sealed.length],
  );
}

/** A list for people: who, when, how it begins. */
export function listLines(
  { ui, io }: Context,
  sorted: readonly Sorted[],
  head: { readonly name: string; readonly scope: string; readonly label: string },
): string[] {
  const now = io.now().getTime() / 1_000;
  const rows = sorted.flatMap(({ kept, message, score, name }) => {
    if (!message) return [];
    return [
      [
        kept.read ? ui.dim(ui.mark.off) : ui.good(ui.mark.on),
        ui.accent(kept.id.slice(7, 15)),
        score === "unknown" ? ui.warn("unknown") : score.toFixed(2),
        agentLabel(ui, message.sender, name),
        ui.dim(span(now - message.issuedAt)),
        beginning(message.body),
      ],
    ];
  });
  const refused = sorted.flatMap(({ kept, error }) =>
    error
      ? [[ui.bad(ui.mark.no), ui.accent(kept.id.slice(7, 15)), visible(`${error.code}: ${error.message}`, 200)]]
      : [],
  );
  const about = `${count(rows.length, "message")} for ${head.name} ${ui.mark.dot} scores as seen by ${head.label} ${ui.mark.dot} scope ${head.scope}`;
  return [
    ...ui.table(rows),
    ...(refused.length === 0
      ? []
      : [...(rows.length === 0 ? [] : [""]), `  ${ui.dim("not to be believed")}`, ...ui.table(refused)]),
    ...ui.wrap(about, 2).map((line) => `  ${ui.dim(line)}`),
    ...(rows.length === 0 ? [] : [`  ${ui.dim("peerage inbox read <id> shows one")}`]),
  ];
}

/** The first line of a text, made harmless; what is no text says so. */
function beginning(body: Uint8Array): string {
  const [line = ""] = textOf(body)?.split(/\r?\n/, 1) ?? [`${body.length} bytes`];
  return visible(line, 32);
}

/** The text that a body is, if it is one. */
export function textOf(body: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(body);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}
