const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "its name does not resolve",
  EAI_AGAIN: "its name does not resolve",
  ECONNRESET: "the connection was cut off",
  EPIPE: "the connection was cut off",
  UND_ERR_SOCKET: "the connection was cut off",
  ETIMEDOUT: "no answer in time",
  UND_ERR_CONNECT_TIMEOUT: "no answer in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_BODY_TIMEOUT: "no answer in time",
  EHOSTUNREACH: "no way leads there from this machine",
  ENETUNREACH: "no way leads there from this machine",
  EADDRNOTAVAIL: "no way leads there from this machine",
};

/**
 * Why a connection failed, in words that a person can act on. Looks through `cause`, at most four deep, because `fetch`
 * wraps what happened. What has no words here is told by its code, or else by its message: at most 120 characters of
 * printable ASCII, since a server can choose it.
 */
export function networkReason(error: unknown): string {
  let last: Error | undefined;
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.name === "TimeoutError") return "no answer in time";
    // A name with several addresses: each failed, and what the first met is told.
    last = at instanceof AggregateError && at.errors[0] instanceof Error ? at.errors[0] : at;
    const known = codeOf(last) ?? codeOf(at);
    if (known === undefined) continue;
    const told = words[known] ?? secureReason(known, last.message);
    if (told !== undefined) return told;
  }
  if (last?.message === "bad port") return "no HTTP client uses that port";
  if (last === undefined) return "for an unknown reason";
  const plain = (codeOf(last) ?? last.message).replace(/[^\x20-\x7e]+/g, " ").trim();
  return plain.slice(0, 120) || "for an unknown reason";
}

/** What a failed TLS handshake, or an answer in another protocol, says. */
function secureReason(code: string, message: string): string | undefined {
  if (/wrong version number|packet length too long/i.test(message))
    return "it does not speak TLS: is it http, not https?";
  if (code.startsWith("HPE_")) return "what answers there does not speak HTTP";
  if (/CERT|SIGNATURE|ALTNAME/.test(code)) return `its certificate is not valid (${code})`;
  if (code === "EPROTO" || /TLS|SSL/.test(code)) return "no secure connection could be agreed on";
  return undefined;
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
