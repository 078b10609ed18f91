import type { Did, ProofBuilder } from "@peerage/core";
import type { Submission } from "../admission/admission.ts";
import type { LogKeys } from "../keys/log-keys.ts";
import type { TileSource } from "../log/tile-source.ts";
import type { MessageStore } from "../messages/message-store.ts";
import type { NoteStore } from "../notes/note-store.ts";
import type { Mirror } from "../mirror/mirror.ts";
import type { Logger } from "../operations/logger.ts";
import type { Metrics } from "../operations/metrics.ts";
import type { Published } from "../published.ts";
import type { LogReads } from "../store/log-store.ts";
import type { PeerStore } from "../witness/peer-store.ts";
import type { QuorumClient } from "../witness/quorum.ts";
import type { Witness } from "../witness/witness.ts";
import type { AddressLimits } from "./address-limits.ts";

/** What the routes work with. */
export interface Service {
  readonly keys: LogKeys;
  readonly reads: LogReads;
  readonly tiles: TileSource;
  readonly proofs: ProofBuilder;
  readonly published: Published;
  readonly notes: NoteStore;
  /** Sealed messages that wait for their recipients. */
  readonly messages: MessageStore;
  /** From whom scores start where a request names nobody. */
  readonly roots: readonly Did[];
  readonly publicUrl: string | undefined;
  readonly limits: AddressLimits;
  /** Who may have statements logged, and how many: see {@link file://../admission/budgets.ts}. */
  readonly mode: "open" | "public" | "members";
  readonly streams: StreamLimits;
  /** Live feeds at this moment. */
  readonly openStreams: { count: number };
  /** Aborted when the registry begins to stop: feeds end, and tell why. */
  readonly stopping: AbortSignal;
  readonly metrics: Metrics;
  /** Shown to other machines too. */
  readonly publicMetrics: boolean;
  readonly logger: Logger;
  /** Statements that wait for their batch. */
  waiting(): number;
  /** This registry as a witness of other logs. */
  readonly witness: Witness;
  readonly peers: PeerStore;
  /** Other logs, copied and served here. */
  readonly mirrors: readonly Pick<Mirror, "path" | "app" | "origin" | "key">[];
  /** The witnesses of this registry's own log. */
  readonly quorum: QuorumClient | undefined;
  readonly now: () => Date;
  submit(leaf: Uint8Array): Promise<Submission>;
  /** Why nothing can be submitted now, if so. */
  notWritable(): string | undefined;
}

/** Bounds of the live feed. */
export interface StreamLimits {
  /** At the same time, in all; 1,024 by default. */
  readonly maximum: number;
  /** A comment keeps the connection alive; 15,000 by default. */
  readonly heartbeatMs: number;
  /** A reader that has taken nothing for so long while more is due is cut; 30,000 by default. */
  readonly stallMs: number;
}
