import { Agent, type AgentOptions } from "node:https";
import { connect, type ConnectionOptions } from "node:tls";
import type { Duplex } from "node:stream";
import type { SpiffeId } from "@peerage/core";
import type { BundleStore } from "./bundle-store.ts";
import { LiveConnections } from "./live-connections.ts";
import { verifyPeer } from "./peer-svid.ts";
import { svidInvalid } from "./refuse.ts";
import type { X509Source } from "./sources.ts";
import { clientTlsOptions } from "./tls-options.ts";

export interface SpiffeAgentOptions {
  /** The own identity; without one the client shows no certificate. */
  readonly source?: X509Source | undefined;
  readonly bundles: BundleStore;
  /** The server's SPIFFE ID: the whole of it, never a host name. */
  readonly expected: SpiffeId;
  readonly now?: (() => Date) | undefined;
  readonly agent?: AgentOptions | undefined;
}

/** An HTTPS agent whose connections are handed out only after the server has shown the expected SPIFFE ID. */
export class SpiffeAgent extends Agent {
  readonly #spiffe: SpiffeAgentOptions;

  readonly #live: LiveConnections;

  constructor(options: SpiffeAgentOptions) {
    super({ keepAlive: true, ...options.agent, maxCachedSessions: 0 });
    this.#spiffe = options;
    this.#live = new LiveConnections(options.bundles, options.now ?? ((): Date => new Date()), () => undefined);
  }

  override destroy(): void {
    this.#live[Symbol.dispose]();
    super.destroy();
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { source, bundles, expected, now = (): Date => new Date() } = this.#spiffe;
    const { host, port } = options as { host?: string; port?: number };
    const { session: _, ...rest } = options;
    const socket = connect({
      ...rest,
      host: host ?? "localhost",
      port: port ?? 443,
      ...clientTlsOptions(source, now()),
    });
    const fail = (error: Error): void => {
      socket.destroy();
      // The type wants a socket beside an error, and nobody looks at it.
      callback?.(error, socket);
    };
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.off("error", fail);
      try {
        const svid = verifyPeer(socket, bundles, now());
        if (svid.spiffeId !== expected) throw svidInvalid("unexpected-id");
        this.#live.add(socket, svid);
      } catch (error) {
        fail(error as Error);
        return;
      }
      callback?.(null, socket);
    });
    return undefined;
  }
}
