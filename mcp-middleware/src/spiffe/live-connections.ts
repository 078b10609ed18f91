import type { TLSSocket } from "node:tls";
import type { Verified } from "@peerage/core";
import type { BundleStore } from "./bundle-store.ts";
import { verifyPeerAgain } from "./peer-svid.ts";
import type { X509Svid } from "./x509-svid.ts";

/**
 * Connections whose peer was verified. Each ends when the peer's path expires or when the bundle of its trust domain no
 * longer verifies it: a long connection outlives neither its SVID nor a revocation.
 */
export class LiveConnections implements Disposable {
  readonly #sockets = new Map<TLSSocket, string>();
  readonly #bundles: BundleStore;
  readonly #now: () => Date;
  readonly #onEnd: (error: unknown) => void;
  readonly #stop: () => void;

  constructor(bundles: BundleStore, now: () => Date, onEnd: (error: unknown) => void) {
    this.#bundles = bundles;
    this.#now = now;
    this.#onEnd = onEnd;
    this.#stop = bundles.onChange((trustDomain) => {
      for (const [socket, domain] of this.#sockets) if (domain === trustDomain) this.#judge(socket);
    });
  }

  add(socket: TLSSocket, svid: Verified<X509Svid>): void {
    this.#sockets.set(socket, svid.trustDomain);
    const disarm = callAfter(svid.expiresAt, this.#now, () => this.#judge(socket));
    socket.once("close", () => {
      disarm();
      this.#sockets.delete(socket);
    });
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #judge(socket: TLSSocket): void {
    try {
      verifyPeerAgain(socket, this.#bundles, this.#now());
    } catch (error) {
      socket.destroy();
      this.#onEnd(error);
    }
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls back just after a second has passed, however far it is. @returns a function that prevents it */
function callAfter(unixSeconds: number, now: () => Date, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const left = Math.max(0, (unixSeconds + 1) * 1000 - now().getTime());
    timer = setTimeout(left > LONGEST_TIMER_MS ? arm : callback, Math.min(left, LONGEST_TIMER_MS));
    timer.unref();
  };
  arm();
  return () => clearTimeout(timer);
}
