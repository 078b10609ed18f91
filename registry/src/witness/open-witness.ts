import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Hono } from "hono";
import { noteSignerFromSeed, parseVerifierKey, PeerageError, type VerifierKey, WITNESS_TYPE } from "@peerage/core";
import { onErrorWith, problem, notFound } from "../http/problem.ts";
import { type Env, observer, serveRoutes } from "../http/route.ts";
import { healthRoute } from "../http/meta.ts";
import { forkRoutes, witnessRoutes } from "../http/witness.ts";
import { AddressLimits } from "../http/address-limits.ts";
import type { Clients } from "../http/client-address.ts";
import { type Logger, silentLogger } from "../operations/logger.ts";
import { createKeyFile, readKeyFile } from "../keys/key-file.ts";
import { PeerStore } from "./peer-store.ts";
import { Witness } from "./witness.ts";

/** A witness, and the folder that it lives in. */
export interface OpenWitnessOptions {
  /** Holds `witness.db` and `keys/witness.key`; made 0700 if it is missing. */
  readonly dataDir: string;
  /** The name under which it cosigns: its address without scheme, for example. */
  readonly name: string;
  /** The vkeys of the logs that it watches. */
  readonly logs: readonly string[];
  readonly now?: () => Date;
  /** Requests a minute from one /24 or /48; no limit by default. */
  readonly writesPerMinute?: number;
  /** Whose address a request counts for; `direct` by default. */
  readonly clients?: Clients;
  readonly logger?: Logger;
}

/** A witness in this process. */
export interface OpenWitness extends Disposable {
  /** What logs and readers put into their policies. */
  readonly key: VerifierKey;
  /** `POST /witness/add-checkpoint`, `GET /witness/{origin hash}/checkpoint`, `/v1/forks`: its prefix is `/witness`. */
  readonly app: Hono<Env>;
  readonly witness: Witness;
}

/**
 * Opens a witness, making its key at the first start.
 * @throws {PeerageError} ERR_STORE_CORRUPT, ERR_KEY_FILE_INVALID, ERR_KEY_FILE_UNSAFE, ERR_CHECKPOINT_INVALID for a key
 *   that is not a vkey
 */
export async function openWitness(options: OpenWitnessOptions): Promise<OpenWitness> {
  const { dataDir, name, logs } = options;
  const now = options.now ?? (() => new Date());
  const keys = join(dataDir, "keys");
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const path = join(keys, "witness.key");
  const database = join(dataDir, "witness.db");
  const known = await readKeyFile(path, "witness");
  if (known && !existsSync(database)) {
    throw new PeerageError(
      "ERR_STORE_CORRUPT",
      `${database} is missing: a witness that forgot what it saw could cosign a rewritten log. Retire its key`,
    );
  }
  // The memory first: a key without one would be refused at the next start.
  const store = new PeerStore(database);
  const signer = noteSignerFromSeed(name, WITNESS_TYPE, known ?? (await createKeyFile(path, "witness")));
  const witness = new Witness({ signer, store, logs: logs.map(parseVerifierKey), now });
  const clients = options.clients ?? "direct";
  const limits = new AddressLimits({ writes: options.writesPerMinute ?? 0, reads: 0, streams: 0, clients, now });
  const { logger = silentLogger } = options;
  const app = serveRoutes(
    [
      healthRoute(),
      ...witnessRoutes({ witness }),
      ...forkRoutes({ peers: store, now, isRead: (vkey) => logs.includes(vkey) }),
    ],
    {
      before: (c, { method }) => {
        if (method !== "GET") limits.count(c, "writes");
        return undefined;
      },
      after: () => undefined,
      tag: () => "",
      observe: observer(logger),
    },
  );
  app.onError(onErrorWith(logger));
  app.notFound((c) => problem(c, notFound("nothing is here")));
  return { key: signer.key, app, witness, [Symbol.dispose]: () => store[Symbol.dispose]() };
}
