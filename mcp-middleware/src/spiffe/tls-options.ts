import { constants } from "node:crypto";
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from "node:tls";
import { toBase64 } from "@peerage/core";
import { svidInvalid } from "./refuse.ts";
import type { X509Source } from "./sources.ts";
import type { X509Identity } from "./x509-svid.ts";

/** Certificate and key of an identity, as `node:tls` takes them. */
export function secureContextOf(identity: X509Identity): SecureContextOptions {
  const blocks = identity.chain.map((der) => {
    const lines = toBase64(der).match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  });
  const key = identity.privateKey.export({ format: "pem", type: "pkcs8" });
  // A server forgets its options when its context is replaced, so they come with every context.
  return { cert: blocks.join(""), key, minVersion: "TLSv1.3", secureOptions: constants.SSL_OP_NO_TICKET };
}

/**
 * Options of a TLS server that asks for a client certificate and leaves the verdict to {@link verifyPeer}: no `ca`,
 * because with one Node pools trust domains and shows the leaf only; no tickets, because a resumed session has no chain.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-identity`, if the source has none
 */
export function serverTlsOptions(source: X509Source, now: Date = new Date()): TlsOptions {
  return {
    ...secureContextOf(requireIdentity(source, now)),
    requestCert: true,
    rejectUnauthorized: false,
  };
}

/**
 * Options of a TLS client that presents the source's identity, if there is one, and leaves the verdict on the server to
 * {@link verifyPeer}: nothing may be written before.
 */
export function clientTlsOptions(source: X509Source | undefined, now: Date = new Date()): ConnectionOptions {
  const identity = source?.current(now);
  return {
    ...(identity ? secureContextOf(identity) : { minVersion: "TLSv1.3" }),
    rejectUnauthorized: false,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function requireIdentity(source: X509Source, now: Date): X509Identity {
  const identity = source.current(now);
  if (!identity) throw svidInvalid("no-identity");
  return identity;
}
