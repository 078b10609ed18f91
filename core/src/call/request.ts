import { type Digest, digest } from "../json/digest.ts";
import { isJsonObject, type JsonValue, member, without } from "../json/types.ts";

/**
 * The digest that stands for a request: SHA-256 of JCS({method, params}), params without `_meta`; for `tools/call`,
 * `arguments` defaults to `{}`. Ids, progress tokens and trace context are in none of it, because hops rewrite them.
 */
export function requestDigest(method: string, params: JsonValue | undefined): Digest {
  let covered: JsonValue = params ?? {};
  if (isJsonObject(covered)) {
    covered = without(covered, "_meta");
    if (method === "tools/call" && !Object.hasOwn(covered, "arguments")) covered = { ...covered, arguments: {} };
  }
  return digest({ method, params: covered });
}

/** The digest of a result without its `_meta`: what a receipt says of it. */
export function resultDigest(result: JsonValue): Digest {
  return digest(isJsonObject(result) ? without(result, "_meta") : result);
}

/** The tool that a message calls: `params.name` of `tools/call`, otherwise undefined. */
export function toolOf(method: string, params: JsonValue | undefined): string | undefined {
  if (method !== "tools/call") return undefined;
  const name = member(params, "name");
  return typeof name === "string" ? name : undefined;
}

/**
 * The canonical form of an endpoint as an audience: lower-case scheme and host, no default port, query or fragment.
 * @throws {TypeError} if the text is no http(s) URL, or carries a user name or password
 */
export function canonicalAudience(endpoint: string | URL): string {
  const url = new URL(endpoint);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new TypeError("an endpoint is an http(s) URL");
  if (url.username !== "" || url.password !== "") throw new TypeError("an endpoint has no user name or password");
  return `${url.protocol}//${url.host}${url.pathname}`;
}
