import { PeerageError, type SpiffeId } from "@peerage/core";
import { describe, expect, it, vi } from "vitest";
import { detailOf, newKey } from "../../../test/_spiffe.ts";
import { createBundle } from "./bundle.ts";
import { HeldJwt } from "./held-jwt.ts";
import type { WitIdentity } from "./issue-binding.ts";
import { signJws } from "./jws.ts";
import { upstreamHeaders } from "./upstream-headers.ts";
import { verifyWitSvid } from "./wit-svid.ts";
import { verifyWpt, WIT_HEADER, WPT_HEADER } from "./wpt.ts";

const ID: SpiffeId = "spiffe://a.test/guard";
const key = newKey();
const holder = newKey();
const START = Date.parse("2026-11-20T12:00:00Z");

/** A source of JWT-SVIDs that live for a minute, and can go away. */
function source(): { fetchJwtSvid: (audience: string) => Promise<string>; gone: boolean; fetched: number } {
  const self = {
    gone: false,
    fetched: 0,
    fetchJwtSvid: (aud: string) => {
      self.fetched++;
      if (self.gone) return Promise.reject(new PeerageError("ERR_SVID_INVALID", "gone", { detail: "workload-api" }));
      const exp = Math.floor(Date.now() / 1000) + 60;
      return Promise.resolve(
        signJws({ alg: "ES256", kid: "j" }, { sub: ID, aud, exp, n: self.fetched }, key.privateKey),
      );
    },
  };
  return self;
}

describe("a JWT-SVID that is held ready", () => {
  it("is renewed at half of its life, serves until its end while the source is gone, then none is shown", async () => {
    vi.useFakeTimers({ now: START });
    try {
      const from = source();
      const lines: string[] = [];
      using held = new HeldJwt({ source: from, audience: "api.a.test", log: (line) => lines.push(line) });
      expect(detailOf(() => held.current())).toBe("no-identity");
      await held.ready;
      const first = held.current();
      await vi.advanceTimersByTimeAsync(31_000);
      const second = held.current();
      expect(second).not.toBe(first);
      from.gone = true;
      await vi.advanceTimersByTimeAsync(50_000);
      expect(held.current()).toBe(second);
      expect(lines[0]).toBe("JWT-SVID for api.a.test not renewed (workload-api)");
      expect(lines.join()).not.toContain("eyJ");
      await vi.advanceTimersByTimeAsync(10_000);
      expect(detailOf(() => held.current())).toBe("no-identity");
      from.gone = false;
      await vi.advanceTimersByTimeAsync(30_000);
      expect(held.current()).not.toBe(second);
      expect(from.fetched).toBeLessThan(20);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("what a guard shows to the server behind it", () => {
  const now = (): Date => new Date(START);
  const cnf = { jwk: { ...holder.publicKey.export({ format: "jwk" }), alg: "ES256" } };
  const wit = signJws({ alg: "ES256", kid: "w", typ: "wit+jwt" }, { sub: ID, exp: START / 1000 + 300, cnf }, key.privateKey); // prettier-ignore
  const identity: WitIdentity = { wit, spiffeId: ID, key: holder.privateKey, algorithm: "ES256", expiresAt: START / 1000 + 300 }; // prettier-ignore

  it("is the JWT-SVID in the place of the client's token, covered by a WPT for the server's URL", async () => {
    using jwt = new HeldJwt({ source: source(), audience: "api.a.test" });
    await jwt.ready;
    const options = { upstream: "https://tools.a.test/mcp?x=1", now, wit: { currentWit: () => identity } };
    const headers = upstreamHeaders({ ...options, jwt })({ authorization: "Bearer mine", "txn-token": "t" });
    expect(headers["authorization"]).toBe(`Bearer ${jwt.current()}`);
    const authority = { ...(key.publicKey.export({ format: "jwk" }) as object), kid: "w" };
    const bundle = createBundle({ wit: new Map([["w", authority]]) });
    const verified = verifyWitSvid(headers[WIT_HEADER], { bundles: { get: () => bundle }, now: now() });
    const context = { wit: verified, audiences: new Set(["https://tools.a.test/mcp"]), now: now(), spend: () => undefined }; // prettier-ignore
    const tokens = { authorization: jwt.current(), transaction: "t" };
    expect(verifyWpt(headers[WPT_HEADER], { ...context, ...tokens }).coversCall).toBe(false);
    expect(detailOf(() => verifyWpt(headers[WPT_HEADER], { ...context, ...tokens, authorization: "mine" }))).toBe(
      "ath",
    );
    const alone = upstreamHeaders(options)({ authorization: "Bearer mine" });
    expect(alone["authorization"]).toBeUndefined();
    expect(verifyWpt(alone[WPT_HEADER], { ...context, authorization: "mine" }).jti).toHaveLength(22);
  });

  it("is nothing at all while there is no identity that holds", () => {
    const headers = upstreamHeaders({
      upstream: "https://tools.a.test/mcp",
      now,
      wit: { currentWit: () => undefined },
    });
    expect(detailOf(() => headers({}))).toBe("no-identity");
  });
});
