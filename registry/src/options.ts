import type { Did } from "@peerage/core";
import type { Clients } from "./http/client-address.ts";
import type { StreamLimits } from "./http/service.ts";
import type { Logger } from "./operations/logger.ts";
import type { OpenPostgresOptions } from "./store/postgres.ts";
import type { WitnessQuorum } from "./witness/quorum.ts";

/** How a registry is opened. */
export interface RegistryOptions {
  /** Holds `registry.db` and `keys/`; made 0700 if it is missing. */
  readonly dataDir: string;
  /**
   * `postgres://…`: the log and its notes live in that database, and any number of processes with the same keys may
   * serve it. By default they live in SQLite files in `dataDir`.
   */
  readonly database?: string;
  /** How the PostgreSQL database is used. */
  readonly postgres?: Omit<OpenPostgresOptions, "mustExist">;
  /** Names the log: host, port and path of it are the origin. Without one the origin is `local/<log key>`. */
  readonly publicUrl?: string;
  /** From whom scores start where a request names nobody; published, and nobody's policy but this registry's. */
  readonly roots?: readonly Did[];
  readonly now?: () => Date;
  /**
   * Called once when a write failed or another process took over. Reads go on, nothing can be submitted any more: end
   * the process and start anew.
   */
  readonly onFailure?: (error: unknown) => void;
  /** Writes a minute from one /24 or /48; by default 60 with a public URL off loopback, else no limit (0). */
  readonly writesPerMinute?: number;
  /** Computed reads a minute from one /24 or /48; by default 600 with a public URL off loopback, else no limit (0). */
  readonly readsPerMinute?: number;
  /** Live feeds of one /24 or /48; by default 8 with a public URL off loopback, else no limit (0). */
  readonly streamsEach?: number;
  /** Whose address a request counts for; `direct` by default. */
  readonly clients?: Clients;
  /** Budgets of issuers, see registry/src/admission/budgets.ts; by default with a public URL off loopback. */
  readonly budgets?: boolean;
  /** Log statements of these alone. */
  readonly members?: readonly Did[];
  /** Hears what happens; by default nobody does. */
  readonly logger?: Logger;
  /** Show `/metrics` to other machines too; by default to this one only. */
  readonly publicMetrics?: boolean;
  readonly streams?: Partial<StreamLimits>;
  /** See {@link file://./log/sequencer.ts} and {@link file://./log/publisher.ts}. */
  readonly batchDelayMs?: number;
  /** Milliseconds between two heads; 1,000 by default, 10,000 with a quorum. */
  readonly cadenceMs?: number;
  /** Whose cosignatures a head needs before anyone may see it. Without it the log is unwitnessed. */
  readonly witnesses?: WitnessQuorum;
  /** After this long without a quorum nothing can be submitted; 600,000 by default. */
  readonly quorumPatienceMs?: number;
  /** vkeys of other logs that this registry cosigns: it is a witness of theirs. */
  readonly witnessFor?: readonly string[];
  /** Base URLs of other registries, whose logs this one copies, verifies and serves under `/mirror/<origin hash>/`. */
  readonly mirrorOf?: readonly string[];
  /** Base URLs of mirrors of this log: asked at the start whether they hold more, and then for what is missing. */
  readonly mirrors?: readonly string[];
}
