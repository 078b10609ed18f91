import { toBase64url } from "../encoding/base64.ts";
import { sha256 } from "../encoding/sha256.ts";
import type { PublicKey } from "../ed25519/verify.ts";

/** The JWK thumbprint of an Ed25519 key: 43 characters of base64url (RFC 7638, RFC 8037). */
export function jwkThumbprint({ bytes }: Pick<PublicKey, "bytes">): string {
  return toBase64url(sha256(`{"crv":"Ed25519","kty":"OKP","x":"${toBase64url(bytes)}"}`));
}
