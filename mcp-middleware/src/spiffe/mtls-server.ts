import type { Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:tls";
import type { Verified } from "@peerage/core";
import type { BundleStore } from "./bundle-store.ts";
import { LiveConnections } from "./live-connections.ts";
import { verifyPeer } from "./peer-svid.ts";
import { svidInvalid } from "./refuse.ts";
import type { X509Source } from "./sources.ts";
import { secureContextOf, serverTlsOptions } from "./tls-options.ts";
import type { X509Svid } from "./x509-svid.ts";

export interface MtlsServerOptions {
  readonly source: X509Source;
  readonly bundles: BundleStore;
  /** Which verified peers may connect; all by default. What they may do is the guard's to say. */
  readonly authorize?: ((svid: Verified<X509Svid>) => boolean) | undefined;
  /** Told of every connection that was refused or ended; a `PeerageError` with the cause as `detail`. */
  readonly onRefused?: ((error: unknown) => void) | undefined;
  readonly now?: (() => Date) | undefined;
}

/**
 * Puts mutual TLS in front of an HTTP server. A peer is verified synchronously when its handshake is done; refused, its
 * connection is destroyed before a byte of a request is read. Connections end when the leaf expires or the bundle of
 * its domain no longer verifies it. The server's own identity follows its source; running connections finish.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-identity`, if the source has no identity yet
 */
export function createMtlsServer(http: HttpServer, options: MtlsServerOptions): Server {
  const { source, bundles, authorize, onRefused, now = (): Date => new Date() } = options;
  const server = createServer(serverTlsOptions(source, now()));
  const live = new LiveConnections(bundles, now, (error) => onRefused?.(error));
  server.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    try {
      const svid = verifyPeer(socket, bundles, now());
      if (authorize?.(svid) === false) throw svidInvalid("not-authorized");
      live.add(socket, svid);
    } catch (error) {
      socket.destroy();
      onRefused?.(error);
      return;
    }
    http.emit("connection", socket);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  // The HTTP server does not listen itself: without this it would never end requests that are not finished in time.
  server.on("listening", () => http.emit("listening"));
  const stop = source.onChange(() => {
    const identity = source.current(now());
    if (identity) server.setSecureContext(secureContextOf(identity));
  });
  server.on("close", () => {
    stop();
    http.close();
    live[Symbol.dispose]();
  });
  return server;
}
