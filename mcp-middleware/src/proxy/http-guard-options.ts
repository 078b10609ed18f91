import type { OutgoingHttpHeaders, Server } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import type { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Guard } from "../guard/types.ts";

/** What is guarded, and where the guard listens. */
export interface HttpGuardOptions {
  readonly guard: Guard;
  /** The one endpoint behind the guard; a query in it is kept. */
  readonly upstream: string | URL;
  /** 127.0.0.1 and a free port by default. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /** The URL under which clients reach this guard, if that is not the one it listens on. It becomes an audience. */
  readonly publicUrl?: string | URL;
  /** Listening beyond loopback is for something in front that terminates TLS. */
  readonly behindProxy?: boolean;
  /**
   * Puts TLS in front, such as `(http) => createMtlsServer(http, …)`: the server that listens instead. Then the URL is
   * https, and nothing is needed in front to listen beyond loopback.
   */
  readonly secure?: ((http: Server) => NetServer) | undefined;
  /** For connections to an https upstream, such as a `SpiffeAgent`; closed with the guard. */
  readonly upstreamAgent?: HttpsAgent | undefined;
  /**
   * Headers of the guard's own for the upstream, such as a JWT-SVID: what the client sent under these names does not go
   * on. Gets the headers that would be sent. If it throws, nothing is sent.
   */
  readonly upstreamHeaders?: ((headers: Readonly<OutgoingHttpHeaders>) => Readonly<Record<string, string>>) | undefined;
  /** Name the verified caller to the server in `Peerage-Caller`. */
  readonly injectIdentity?: boolean;
  /** One line for the operator; stderr by default. */
  readonly log?: (line: string) => void;
  /** Silence on an event stream after which a comment is sent; 20 s. */
  readonly keepAliveMs?: number;
  /** Opens connections to an http upstream, such as `connect` of `startStdioHost`; by TCP by default. */
  readonly connect?: (() => Duplex) | undefined;
  /** After so long without an answer a call is cancelled and answered with an error; no limit by default. */
  readonly callTimeoutSeconds?: number | undefined;
  /** How long running calls have to be answered once the guard is closed; 2 s. */
  readonly graceMs?: number | undefined;
  /** Failed proofs per minute and connection; 120. */
  readonly failedProofsPerMinute?: number;
}
