import { createPrivateKey, type KeyObject } from "node:crypto";
import { fromBase64 } from "@peerage/core";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { svidInvalid } from "./refuse.ts";

interface Block {
  readonly label: string;
  readonly text: string;
  readonly body: string;
}

function blocksOf(pem: string): Block[] {
  const block = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\s]*?)-----END \1-----/g;
  return [...pem.matchAll(block)].map(([text, label = "", body = ""]) => ({ label, text, body }));
}

/**
 * The certificates of a PEM text, in order; blocks of other kinds are passed over. An empty text has none.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-certificate` (some text, no certificate), `malformed`
 */
export function parsePemCertificates(pem: string): Certificate[] {
  const blocks = blocksOf(pem).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0 && pem.trim() !== "") throw svidInvalid("no-certificate");
  return blocks.map(({ body }) => parseCertificate(base64(body.replace(/\s+/g, ""))));
}

function base64(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw svidInvalid("malformed", cause);
  }
}

/**
 * The private key of a PEM text: PKCS#8, or the older forms for EC and RSA. Encrypted keys are refused.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-private-key`, `private-key`
 */
export function parsePemPrivateKey(pem: string): KeyObject {
  const blocks = blocksOf(pem);
  const key = blocks.find(({ label }) => /^(?:EC |RSA )?PRIVATE KEY$/.test(label));
  if (!key) throw svidInvalid(blocks.length > 0 ? "no-private-key" : "private-key");
  try {
    return createPrivateKey(key.text);
  } catch {
    // The cause is left out: it might quote the key.
    throw svidInvalid("private-key");
  }
}
