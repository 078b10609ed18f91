import { existsSync } from "node:fs";
import { PeerageError } from "@peerage/core";
import { PeerStore } from "./peer-store.ts";

/**
 * Opens what a registry saw of the logs that it cosigns. Where that was lost, its witness key must never cosign a log
 * again: it could be one that was rewritten. The registry itself goes on, since its own stamps rest on its own log.
 * @param isFirstStart the registry is being made, so there was nothing to lose
 * @param witnesses it is to cosign other logs
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export function openOwnMemory(
  path: string,
  { isFirstStart, witnesses }: { readonly isFirstStart: boolean; readonly witnesses: boolean },
): PeerStore {
  const isLost = !isFirstStart && !existsSync(path);
  if (isLost && witnesses) throw forgotten(path);
  const store = new PeerStore(path);
  if (isLost) store.markLost();
  if (!store.isLost || !witnesses) return store;
  store[Symbol.dispose]();
  throw forgotten(path);
}

function forgotten(path: string): PeerageError {
  return new PeerageError(
    "ERR_STORE_CORRUPT",
    `${path} was lost: who forgot what it saw could cosign a rewritten log. Start without --witness-for, and a witness with a key of its own beside it: peerage log witness`,
  );
}
