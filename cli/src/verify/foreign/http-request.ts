import type { KeyObject } from "node:crypto";
import {
  didFromPublicKey,
  type HttpCaller,
  type HttpSignature,
  jwkThumbprint,
  type KeyId,
  keyIdOf,
  PeerageError,
  readHttpSignatures,
  type SignedMessage,
  verifyForeignHttpSignature,
  verifyHttpSignature,
} from "@peerage/core";
import { fingerprint } from "../../ui/agent.ts";
import { visible } from "../../ui/visible.ts";
import { type Check, notChecked, passed, thrown, type Verdict } from "../check.ts";
import { ed25519Keys } from "./keys.ts";
import { foreignVerdict, timeCheck } from "./report.ts";

const names = {
  "peerage-http": "signed HTTP request",
  "web-bot-auth": "Web Bot Auth request",
  "aauth-hwk": "AAuth request",
};

/** True for a saved HTTP/1.1 request. */
export function isHttpRequest(text: string): boolean {
  return /^[A-Z]{1,16} \S+ HTTP\/1\.[01]\r?\n/.test(text);
}

/** A saved HTTP request with a signature of ours, of Web Bot Auth, or of AAuth with its key in the header. */
export function verifyHttpRequest(
  bytes: Uint8Array,
  given: { readonly now: Date; readonly audience?: string | undefined; readonly keys: readonly KeyObject[] },
): Verdict {
  let caller: HttpCaller | undefined;
  let signatures: readonly HttpSignature[] = [];
  const checks: Check[] = [];
  try {
    const message = readRequest(bytes, given.audience);
    signatures = readHttpSignatures(message);
    const isOurs = signatures.some(({ parameters }) => parameters.get("tag") === "peerage");
    const created = signatures
      .map(({ parameters }) => parameters.get("created"))
      .find((time) => typeof time === "number");
    // By its own clock: whether it is still fresh is a check of its own.
    const options = { now: new Date((created ?? 0) * 1000), keyOf: keyOf(given.keys) };
    caller = isOurs ? verifyHttpSignature(message, options) : verifyForeignHttpSignature(message, options);
    const covered = caller.binding === "body" ? "method, target and body" : "the head of the request";
    checks.push(
      passed("signature", `${fingerprint(caller.issuer)} signed ${covered}`),
      given.audience === undefined
        ? notChecked(
            "audience",
            `for ${visible(message.targetUri, 120)} by its own Host; --audience says whether that is right`,
          )
        : passed("audience", "for the URL given"),
      caller.binding === "body"
        ? passed("body", "its digest was recomputed")
        : notChecked("body", "is not signed: anybody on the way could change it"),
      timeCheck(given.now, caller.issuedAt, caller.expiresAt),
      notChecked("replay", "whether it was used before is not in it"),
    );
  } catch (error) {
    checks.push(
      thrown("signature", error instanceof TypeError ? new PeerageError("ERR_REQUEST_INVALID", error.message) : error),
    );
  }
  const { issuer, scheme, binding } = caller ?? {};
  const verdict = foreignVerdict(scheme ? names[scheme] : "HTTP request", checks, { issuer, scheme, binding });
  return { ...verdict, signer: issuer };
}

function keyOf(keys: readonly KeyObject[]): (thumbprint: string) => KeyId | undefined {
  const known = new Map(ed25519Keys(keys).map((key) => [jwkThumbprint(key), keyIdOf(didFromPublicKey(key.bytes))]));
  return (thumbprint) => known.get(thumbprint);
}

/** @throws {TypeError} for what is no request, or has a header twice that must be there once */
function readRequest(bytes: Uint8Array, audience: string | undefined): SignedMessage {
  const text = Buffer.from(bytes).toString("latin1");
  const [head = ""] = /^[\s\S]*?\r?\n(?=\r?\n)/.exec(text) ?? [text];
  const [start = "", ...lines] = head.split(/\r?\n/).filter((line) => line !== "");
  const [method = "", target = ""] = start.split(" ");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new TypeError("a line of its head is no header");
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  const url = audience ?? (target.startsWith("/") ? `https://${headers.get("host") ?? ""}${target}` : target);
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new TypeError("its target is no URL: --audience <url>");
  const break_ = /^\r?\n/.exec(text.slice(head.length))?.[0] ?? "";
  const body = Buffer.from(bytes).subarray(head.length + break_.length);
  return { method, targetUri: url, header: (name) => headers.get(name), body };
}
