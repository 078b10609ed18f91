import { readFileSync, statSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import type { Server as NetServer } from "node:net";
import { createServer, type SecureContextOptions } from "node:tls";
import type { Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

const LOOK_AGAIN_MS = 60_000;
const HANDSHAKE_MS = 10_000;

/**
 * `--tls-cert` and `--tls-key`: TLS in front of an HTTP guard. Renewed files are taken up within a minute; one that cannot
 * be used leaves the certificate before it in place.
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID
 */
export function tlsFront(
  options: Options,
  alarm: (text: string) => void,
): ((http: HttpServer) => NetServer) | undefined {
  const { tlsCert, tlsKey } = options;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (typeof tlsCert !== "string" || typeof tlsKey !== "string")
    throw usage("TLS needs a certificate and its key", "--tls-cert chain.pem --tls-key key.pem");
  const read = (): SecureContextOptions => ({ cert: contents(tlsCert), key: contents(tlsKey), minVersion: "TLSv1.2" });
  const stamp = (): string =>
    [tlsCert, tlsKey].map((path) => String(statSync(path, { throwIfNoEntry: false })?.mtimeMs)).join();
  const first = read();
  let known = stamp();
  return (http) => {
    const server = create(first, http);
    const timer = setInterval(() => {
      const now = stamp();
      if (now === known) return;
      try {
        server.setSecureContext(read());
        known = now;
      } catch (error) {
        alarm(`the renewed certificate cannot be used: ${error instanceof Error ? error.message : "unknown"}`);
      }
    }, LOOK_AGAIN_MS).unref();
    server.once("close", () => clearInterval(timer));
    return server;
  };
}

function create(context: SecureContextOptions, http: HttpServer): ReturnType<typeof createServer> {
  try {
    const options = { ...context, handshakeTimeout: HANDSHAKE_MS, ALPNProtocols: ["http/1.1"] };
    return createServer(options, (socket) => http.emit("connection", socket));
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown";
    throw new CliError("ERR_CONFIG_INVALID", `certificate and key cannot be used: ${why}`);
  }
}

function contents(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
}
