import type { TLSSocket } from "node:tls";
import type { Verified } from "@peerage/core";
import { MAX_CHAIN_CERTIFICATES, type BundleLookup, verifyX509Svid, type X509Svid } from "./x509-svid.ts";
import { svidInvalid } from "./refuse.ts";

interface Peer {
  readonly chain: readonly Uint8Array[];
  readonly svid: Verified<X509Svid>;
}

// Node hands the presented chain over once: every later look at the socket shows the leaf only.
const peers = new WeakMap<object, Peer>();

/**
 * Takes the chain that the peer presented in the handshake, verifies it and remembers both for this socket. TLS itself
 * has proved possession of the key. To be called once, synchronously, when the handshake is done and before anything
 * is read.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-certificate`, `resumed`, or as {@link verifyX509Svid}
 */
export function verifyPeer(socket: TLSSocket, bundles: BundleLookup, now: Date): Verified<X509Svid> {
  // A resumed session carries the leaf only, as it was judged by somebody at another time.
  if (socket.isSessionReused()) throw svidInvalid("resumed");
  const chain = presentedChain(socket);
  if (chain.length === 0) throw svidInvalid("no-certificate");
  const svid = verifyX509Svid(chain, bundles, now);
  peers.set(socket, { chain, svid });
  return svid;
}

/** The SVID that {@link verifyPeer} found on this socket; undefined if it was never called, or refused. */
export function peerSvidOf(socket: object): Verified<X509Svid> | undefined {
  return peers.get(socket)?.svid;
}

/**
 * Judges a socket's SVID anew: it may have expired, or its bundle may have changed.
 * @throws {PeerageError} ERR_SVID_INVALID
 */
export function verifyPeerAgain(socket: object, bundles: BundleLookup, now: Date): Verified<X509Svid> | undefined {
  const peer = peers.get(socket);
  return peer && verifyX509Svid(peer.chain, bundles, now);
}

function presentedChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let at = socket.getPeerX509Certificate();
  while (at && chain.length <= MAX_CHAIN_CERTIFICATES) {
    chain.push(new Uint8Array(at.raw));
    at = at.issuerCertificate;
  }
  return chain;
}
