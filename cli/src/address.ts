import { CliError, usage } from "./errors.ts";
import { isLoopback } from "./files/config.ts";
import { codeOf } from "./files/safe-file.ts";
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

/**
 * Why nothing can listen at an address, with the way out; any other error as it is.
 * @param flag the one that names another address, such as `--listen`
 */
export function listenError(error: unknown, { host, port }: Address, flag: string): unknown {
  const why = {
    EADDRINUSE: [`port ${port} is taken`, `${flag} <another port>`],
    EACCES: [`port ${port} may be used by an administrator only`, `${flag} <a port from 1024 on>`],
    EADDRNOTAVAIL: [`${host} is no address of this machine`, `${flag} <port>`],
  }[codeOf(error) ?? ""];
  if (why === undefined) return error;
  return new CliError("ERR_CONFIG_INVALID", why[0] ?? "", { exit: 1, hint: why[1] ?? "", cause: error });
}
