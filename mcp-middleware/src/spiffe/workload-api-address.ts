import { isIP } from "node:net";
import { PeerageError } from "@peerage/core";

/** Environment variable that names the Workload API where the configuration does not. */
export const ENDPOINT_VARIABLE = "SPIFFE_ENDPOINT_SOCKET";

/**
 * The gRPC target of a Workload API address: `unix:///absolute/path` or `tcp://<IP>:<port>`, nothing else. Names are
 * refused because whoever answers for a name hands out identities.
 * @throws {PeerageError} ERR_CONFIG_INVALID
 * @see SPIFFE Workload Endpoint specification section 4
 */
export function workloadApiTarget(address: string): string {
  const path = /^unix:\/\/(\/[^?#]+)$/.exec(address)?.[1];
  if (path !== undefined) return `unix://${path}`;
  const [, bare, bracketed, port] = /^tcp:\/\/(?:([^/?#@:[\]]+)|\[([^/?#@[\]]+)\]):(\d{1,5})$/.exec(address) ?? [];
  const number = Number(port);
  if (number >= 1 && number <= 65_535) {
    if (bare !== undefined && isIP(bare) === 4) return `ipv4:${bare}:${String(number)}`;
    if (bracketed !== undefined && isIP(bracketed) === 6) return `ipv6:[${bracketed}]:${String(number)}`;
  }
  throw new PeerageError("ERR_CONFIG_INVALID", "a Workload API is unix:///absolute/path or tcp://<IP>:<port>");
}
