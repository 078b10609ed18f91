import type { html } from "hono/html";
import type { Did, Digest, View, VouchRecord } from "@peerage/core";
import type { Frame } from "./frame.ts";
import type { Links } from "./links.ts";
import type { Layouts } from "./map/layouts.ts";
import type { Seen } from "./seen.ts";
import type { ObservatorySource } from "./source.ts";
import { statusText } from "./seen.ts";

/** Escaped markup. */
export type Html = ReturnType<typeof html>;

/** An agent in the data of a page. Names have passed `foreign` already. */
export interface AgentRef {
  readonly did: Did;
  readonly name?: string;
}

/** A vouch in the data of a page. */
export interface VouchData {
  readonly id: Digest;
  readonly index: number;
  readonly from: AgentRef;
  readonly to: AgentRef;
  readonly scope: readonly string[];
  readonly confidence: number;
  readonly validFrom: number;
  readonly validUntil: number;
  /** When the log first held it, Unix seconds. */
  readonly logged: number;
  readonly inForce: boolean;
  readonly status: string;
}

/** What a page is asked, and what it may read. */
export interface Asked {
  readonly seen: Seen;
  /** The view of now, whatever time the page shows. */
  readonly newest: View;
  readonly source: ObservatorySource;
  readonly layouts: Layouts;
  readonly registryUrl: string;
  readonly links: Links;
  /** The part of the path behind the page's own, decoded, without `.json` or `.txt`; empty for pages without one. */
  readonly parameter: string;
  readonly query: URLSearchParams;
  /** What was sent with the request, by a form that stores nothing. */
  readonly form?: URLSearchParams;
  readonly ref: (did: Did) => AgentRef;
}

/** One page: its data, which is also its JSON, and two ways to show it. `D` must survive JSON. */
export interface Page<D extends object> {
  /** @throws {PeerageError} ERR_NOT_FOUND, ERR_REQUEST_INVALID, ERR_DID_INVALID, or {@link Elsewhere} */
  load(asked: Asked): D | Promise<D>;
  title(data: D): string;
  html(data: D, frame: Frame): Html;
  text(data: D): string;
}

/** Thrown by a page that knows a better address for what was asked. */
export class Elsewhere extends Error {
  readonly location: string;

  constructor(location: string) {
    super("the page is elsewhere");
    this.location = location;
  }
}

export function vouchData(record: VouchRecord, asked: Asked): VouchData {
  const { statement, index, time, status } = record;
  return {
    id: statement.id,
    index,
    from: asked.ref(statement.issuer),
    to: asked.ref(statement.subject),
    scope: statement.scope,
    confidence: statement.confidence,
    validFrom: statement.validFrom,
    validUntil: statement.validUntil,
    logged: time,
    inForce: status === "in-force",
    status: statusText(record),
  };
}
