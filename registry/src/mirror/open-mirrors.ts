import { join } from "node:path";
import { type PeerageError, sha256, toHex } from "@peerage/core";
import type { RegistryOptions } from "../options.ts";
import { type Mirror, openMirror } from "./mirror.ts";

/** The mirrors that a registry serves beside its own log, each in a folder of its own, named by its address. */
export async function openMirrors({
  dataDir,
  mirrorOf = [],
  now,
  logger,
}: RegistryOptions): Promise<readonly Mirror[]> {
  const opened: Mirror[] = [];
  try {
    for (const url of mirrorOf) {
      const folder = join(dataDir, "mirrors", toHex(sha256(url)).slice(0, 16));
      const onAlarm = (error: PeerageError): void => logger?.warn({ error, registry: url }, "a log is not followed");
      opened.push(
        await openMirror({ url, dataDir: folder, onAlarm, ...(now ? { now } : {}), ...(logger ? { logger } : {}) }),
      );
    }
    return opened;
  } catch (error) {
    for (const mirror of opened) await mirror[Symbol.asyncDispose]();
    throw error;
  }
}
