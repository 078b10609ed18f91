import type { Did } from "@peerage/core";
import type { Ledger } from "./ledger.ts";
import type { Node } from "./node.ts";
import type { ConsoleOptions } from "./source.ts";

/** What a page of the console is asked, and what it may read. */
export interface Asked {
  readonly query: URLSearchParams;
  /** The part of the path behind the page's own, decoded; empty for pages without one. */
  readonly parameter: string;
  /** The logs that are shown: that of the guard that was named, or all. */
  readonly ledgers: readonly Ledger[];
  /** Every guard there is. */
  readonly guards: readonly { readonly name: string; readonly did?: Did }[];
  /** The guard that was named. */
  readonly guard: string | undefined;
  readonly now: Date;
  /** An agent's name, made harmless. */
  readonly nameOf: (did: Did) => string | undefined;
  readonly options: ConsoleOptions;
}

/** One page: its data, which is also its JSON, and two ways to show it. */
export interface ConsolePage<D extends object> {
  /** @throws {PeerageError} ERR_NOT_FOUND, ERR_REQUEST_INVALID, ERR_DID_INVALID */
  load(asked: Asked): D | Promise<D>;
  title(data: D): string;
  view(data: D): readonly Node[];
  text(data: D): string;
}
