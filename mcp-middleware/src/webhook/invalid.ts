import { PeerageError } from "@peerage/core";

/** A webhook that cannot be used as it is configured. */
export function webhookInvalid(why: string): PeerageError {
  return new PeerageError("ERR_CONFIG_INVALID", `the webhook cannot be used: ${why}`, { detail: "webhook" });
}
