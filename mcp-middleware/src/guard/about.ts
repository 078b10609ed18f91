import type { Question } from "../approval/form.ts";
import type { Recorded } from "../audit/audit-log.ts";
import type { HookCall } from "./hooks.ts";
import type { Inbound } from "./message.ts";
import type { DecidedOn } from "./responder.ts";
import type { Connection } from "./sessions.ts";

/** What is kept of a decision until its response comes. */
export interface Open extends DecidedOn {
  readonly connection: Connection;
  readonly recorded: Recorded | undefined;
  /** What hooks are told of it, where there are any. */
  readonly hooked: HookCall | undefined;
}

/** What a refusal is about, as far as its answer depends on it. */
export interface About {
  readonly inbound?: Inbound | undefined;
  readonly salvagedId?: string | number | null | undefined;
  readonly httpMethod?: "http/get" | "http/delete" | undefined;
  readonly question?: Question | undefined;
  /** The receipt that goes with the question. */
  readonly receipt?: string | undefined;
}
