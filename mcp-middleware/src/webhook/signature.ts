import { createHmac, timingSafeEqual } from "node:crypto";
import { webhookInvalid } from "./invalid.ts";

/** A key is at least as long as Standard Webhooks asks, in bytes. */
export const MIN_SECRET_BYTES = 24;

/**
 * The key of a webhook as it is written down: `whsec_` and base64, as Standard Webhooks has it, or any other text, whose
 * UTF-8 it is.
 * @throws {PeerageError} ERR_CONFIG_INVALID if it has fewer than 24 bytes
 */
export function parseWebhookSecret(text: string): Uint8Array {
  const trimmed = text.trim();
  const secret = trimmed.startsWith("whsec_") ? Buffer.from(trimmed.slice(6), "base64") : Buffer.from(trimmed);
  if (secret.length < MIN_SECRET_BYTES) throw webhookInvalid(`its key has at least ${MIN_SECRET_BYTES} bytes`);
  return new Uint8Array(secret);
}

/** The header `webhook-signature` over one delivery: HMAC-SHA-256 of `id.timestamp.body`. */
export function signWebhook(secret: Uint8Array, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/**
 * For receivers: true if a delivery was signed with this key at most five minutes ago. A receiver should also take each
 * `webhook-id` once.
 */
export function verifyWebhook(
  secret: Uint8Array,
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now: Date = new Date(),
): boolean {
  const [id = "", timestamp = "", signatures = ""] = ["id", "timestamp", "signature"].map(
    (name) => headers[`webhook-${name}`],
  );
  if (!(Math.abs(now.getTime() / 1000 - Number(timestamp)) <= 300)) return false;
  const wanted = Buffer.from(signWebhook(secret, id, timestamp, body));
  return signatures.split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}
