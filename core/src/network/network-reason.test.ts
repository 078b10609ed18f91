import { describe, expect, it } from "vitest";
import { networkReason } from "./network-reason.ts";

const withCode = (code: string, message = code): Error => Object.assign(new Error(message), { code });

describe("the reason of a failed connection", () => {
  it("is told in words, through what fetch wraps around it", () => {
    const wrapped = (cause: unknown): Error => new TypeError("fetch failed", { cause });
    expect(networkReason(wrapped(withCode("ECONNREFUSED")))).toBe("nothing listens there");
    expect(networkReason(wrapped(withCode("UND_ERR_SOCKET", "other side closed")))).toBe("the connection was cut off");
    expect(networkReason(withCode("EAI_AGAIN"))).toBe("its name does not resolve");
    expect(networkReason(new DOMException("late", "TimeoutError"))).toBe("no answer in time");
    const both = Object.assign(new AggregateError([withCode("ECONNREFUSED", "::1"), withCode("ECONNREFUSED")]), {
      code: "ECONNREFUSED",
    });
    expect(networkReason(wrapped(both))).toBe("nothing listens there");
  });

  it("of TLS is one line without the words of OpenSSL", () => {
    const openssl = "write EPROTO 401D:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:\n";
    expect(networkReason(withCode("EPROTO", openssl))).toBe("it does not speak TLS: is it http, not https?");
    expect(networkReason(withCode("EPROTO", "handshake failure"))).toBe("no secure connection could be agreed on");
    expect(networkReason(withCode("CERT_HAS_EXPIRED"))).toBe("its certificate is not valid (CERT_HAS_EXPIRED)");
    expect(networkReason(withCode("HPE_INVALID_CONSTANT"))).toBe("what answers there does not speak HTTP");
  });

  it("that has no words of its own is short, and no control character of a server's gets through", () => {
    expect(networkReason(withCode("EODD"))).toBe("EODD");
    expect(networkReason(new Error(`a\u001b[31m\n${"b".repeat(500)}`))).toBe(`a [31m ${"b".repeat(113)}`);
    expect(networkReason(new TypeError("fetch failed", { cause: new Error("bad port") }))).toBe(
      "no HTTP client uses that port",
    );
    expect(networkReason(new Error(""))).toBe("for an unknown reason");
    expect(networkReason("text")).toBe("for an unknown reason");
    const circle = new Error("round");
    circle.cause = circle;
    expect(networkReason(circle)).toBe("round");
  });
});
