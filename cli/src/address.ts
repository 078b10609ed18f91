import { CliError, usage } from "./errors.ts";
import { isLoopback } from "./files/config.ts";
import { visible } from "./ui/visible.ts";

/** Where to listen. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `7070`, `127.0.0.1:7070` or `[::1]:7070`.
 * @param behindProxy allows an address off loopback: something in front ends TLS
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID
 */
export function parseAddress(text: string | undefined, defaultPort: number, behindProxy: boolean): Address {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?(\d{1,5})$/.exec(text ?? String(defaultPort));
  const port = Number(match?.[2]);
  if (!match || !(port <= 65_535)) throw usage(`${visible(text ?? "")} is no address`, "a port, or host:port");
  const name = match[1] ?? "127.0.0.1";
  if (!isLoopback(name) && !behindProxy) {
    throw new CliError("ERR_CONFIG_INVALID", `${name} is reached from other machines, where plain HTTP is not safe`, {
      hint: "listen on 127.0.0.1, or end TLS in front of it and say --behind-proxy",
    });
  }
  return { host: name.replace(/^\[|\]$/g, ""), port };
}

/** The base URL of an address. */
export function urlOf({ host, port }: Address): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
