import { Agent, type AgentOptions } from "node:https";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
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

/**
 * An HTTPS agent whose connections are handed out only after the server has shown the expected SPIFFE ID. A connection
 * gets no new request after half of the life that the two SVIDs had left when it began, so that the end of an SVID does
 * not cut a request short.
 */
export class SpiffeAgent extends Agent {
  readonly #spiffe: SpiffeAgentOptions;
  readonly #live: LiveConnections;
  readonly #retired = new WeakSet<object>();
  readonly #now: () => Date;

  constructor(options: SpiffeAgentOptions) {
    // Last in, first out would hand out a connection that was destroyed a moment ago: Node looks at the first only.
    super({ keepAlive: true, ...options.agent, scheduling: "fifo", maxCachedSessions: 0 });
    this.#spiffe = options;
    this.#now = options.now ?? ((): Date => new Date());
    this.#live = new LiveConnections(options.bundles, this.#now, () => undefined);
  }

  override destroy(): void {
    this.#live[Symbol.dispose]();
    super.destroy();
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // The type says void, and the agent asks for a boolean.
    const keep: (socket: Duplex) => unknown = super.keepSocketAlive.bind(this);
    return !this.#retired.has(socket) && keep(socket) === true;
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { source, bundles, expected } = this.#spiffe;
    const now = this.#now();
    const { host, port } = options as { host?: string; port?: number };
    const { session: _, ...rest } = options;
    const own = source?.current(now)?.expiresAt ?? Infinity;
    const tls = clientTlsOptions(source, now);
    const socket = connect({ ...rest, host: host ?? "localhost", port: port ?? 443, ...tls });
    const fail = (error: Error): void => {
      socket.destroy();
      // The type wants a socket beside an error, and nobody looks at it.
      callback?.(error, socket);
    };
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.off("error", fail);
      try {
        const svid = verifyPeer(socket, bundles, this.#now());
        if (svid.spiffeId !== expected) throw svidInvalid("unexpected-id");
        this.#live.add(socket, svid);
        this.#retireAtHalf(socket, Math.min(own, svid.expiresAt));
      } catch (error) {
        fail(error as Error);
        return;
      }
      callback?.(null, socket);
    });
    return undefined;
  }

  #retireAtHalf(socket: TLSSocket, expiresAt: number): void {
    const halfMs = Math.max(0, (expiresAt * 1000 - this.#now().getTime()) / 2);
    const retire = (): void => {
      this.#retired.add(socket);
      const isFree = Object.values(this.freeSockets).some((list) => list?.includes(socket));
      if (isFree) socket.destroy();
    };
    const timer = setTimeout(retire, Math.min(halfMs, 2 ** 31 - 1));
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }
}
