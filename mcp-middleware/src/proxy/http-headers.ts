import type { OutgoingHttpHeaders } from "node:http";
import { isIPv4 } from "node:net";

/** Header in which a guard names the verified caller to its server, where that was asked for. */
export const CALLER_HEADER = "peerage-caller";

/** Headers of one connection, not of the message (RFC 9110 section 7.6.1, RFC 9112). */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);
const neverForwarded: ReadonlySet<string> = new Set(["host", "content-length", "accept-encoding"]);

/** Pairs of a raw header list as `node:http` gives it: name, value, name, value… */
function* headerPairs(raw: readonly string[]): Generator<readonly [name: string, value: string]> {
  for (let i = 0; i + 1 < raw.length; i += 2) yield [(raw[i] ?? "").toLowerCase(), raw[i + 1] ?? ""];
}

/**
 * The first header that means something to MCP or to us and came more than once. Two hops could each read another of the
 * two, so the request is refused.
 */
export function duplicatedHeader(raw: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const [name] of headerPairs(raw)) {
    if (isSingle(name) && seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/**
 * The first header of MCP or of ours, or one that says who calls from where, that `Connection` names. Hops remove what
 * stands there, so the server would not see what was judged here.
 */
export function hiddenHeader(raw: readonly string[]): string | undefined {
  return [...connectionNames(raw)].find((name) => isSingle(name) || name === "authorization" || name === "origin");
}

function isSingle(name: string): boolean {
  return name.startsWith("mcp-") || name.startsWith("peerage-") || name === "last-event-id";
}

function connectionNames(raw: readonly string[]): ReadonlySet<string> {
  let names: Set<string> | undefined;
  for (const [name, value] of headerPairs(raw)) {
    // Nearly every message says this and no more.
    if (name !== "connection" || value === "keep-alive" || value === "close") continue;
    names ??= new Set(hopByHop);
    for (const named of value.split(",")) names.add(named.trim().toLowerCase());
  }
  return names ?? hopByHop;
}

/** What goes to the server: everything but the hop's own headers and every `Peerage-*` one. */
export function forwardedRequestHeaders(raw: readonly string[]): OutgoingHttpHeaders {
  const dropped = connectionNames(raw);
  const headers = noHeaders();
  for (const [name, value] of headerPairs(raw)) {
    if (dropped.has(name) || neverForwarded.has(name) || name.startsWith("peerage-")) continue;
    add(headers, name, value);
  }
  // Receipts are spliced into text, so the text must be readable.
  headers["accept-encoding"] = "identity";
  return headers;
}

/** What goes back to the client. Length and encoding are set anew by whoever writes the body. */
export function forwardedResponseHeaders(raw: readonly string[]): Record<string, string | string[]> {
  const dropped = connectionNames(raw);
  const headers = noHeaders();
  for (const [name, value] of headerPairs(raw)) {
    if (!dropped.has(name) && name !== CALLER_HEADER) add(headers, name, value);
  }
  return headers;
}

/** Without a prototype: `constructor` is a header name like any other. */
function noHeaders(): Record<string, string | string[]> {
  return Object.create(null) as Record<string, string | string[]>;
}

function add(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else headers[name] = [...(Array.isArray(before) ? before : [before]), value];
}

/** True for a host name or `Host` value that can only mean this machine. */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  // An IPv6 address in a URL or `Host` has brackets; without them its last group is not a port.
  if (host === "::1" || /^\[::1\](?::\d+)?$/.test(host)) return true;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || (isIPv4(name) && name.startsWith("127."));
}

/** The media type of a `Content-Type`, lower-case, without parameters. */
export function mediaType(contentType: string | undefined): string {
  return contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
}
