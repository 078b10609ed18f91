import { type ApprovalAsk, PeerageError } from "@peerage/core";
import { type ApprovalDesk, isWaiting } from "../approval/desk.ts";
import type { About } from "./about.ts";
import type { Inbound } from "./message.ts";
import type { Trace } from "./trace.ts";
import type { Context } from "./types.ts";

/**
 * Asks a person, and waits where that helps. Afterwards `trace.ask` says whether somebody must still approve.
 * @param judgeAgain - judges everything but the proof anew, into the trace
 * @throws {PeerageError} why the call is refused, where it is
 */
export async function askPerson(
  desk: ApprovalDesk,
  ask: ApprovalAsk,
  trace: Trace,
  context: Context,
  inbound: Extract<Inbound, { kind: "request" }>,
  judgeAgain: () => void,
): Promise<About> {
  const reconsider = (item: string): void => {
    judgeAgain();
    if (!trace.ask) return;
    trace.item = item;
    const state = desk.stateOf(item);
    if (state === "open" || state === "approved") return;
    throw new PeerageError("ERR_APPROVAL_EXPIRED", "nobody approved this call in time", { detail: state ?? "gone" });
  };
  let filed = await desk.file(trace, ask);
  if (filed.item.state === "approved") {
    // Approved while the question was being asked, or approved and not enough any more.
    reconsider(filed.item.id);
    if (!trace.ask) return { inbound };
    filed = await desk.file(trace, trace.ask.approval, true);
  }
  const { item, isNew, receipt } = filed;
  trace.item = item.id;
  const question = desk.question(inbound, context, trace, item);
  if (isWaiting(question.form, isNew) && (await desk.wait(question, inbound, context, trace.connection))) {
    reconsider(item.id);
  }
  return { inbound, question, receipt };
}
