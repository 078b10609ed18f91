import { generateIdentity } from "@peerage/core";
import { describe, expect, it } from "vitest";
import type { Caller } from "../guard/types.ts";
import { authInfoFor, currentCaller, runAs } from "./caller.ts";
import { interceptHandler } from "./intercept.ts";

const { did, kid } = generateIdentity();
const caller: Caller = { did, kid, binding: "message", score: "unknown", history: [] };

describe("authInfo for a handler", () => {
  it("names the caller where no OAuth identity came along", () => {
    expect(authInfoFor(undefined, caller)).toEqual({
      token: "",
      clientId: did,
      scopes: [],
      extra: { peerage: caller },
    });
  });

  it("overwrites no OAuth identity", () => {
    const oauth = { token: "t", clientId: "app", scopes: ["a"], extra: { sub: "u" } };
    expect(authInfoFor(oauth, caller)).toEqual({ ...oauth, extra: { sub: "u", peerage: caller } });
    expect(authInfoFor(oauth, undefined)).toBe(oauth);
  });

  it("lets no claimed identity through", () => {
    const claimed = {
      token: "t",
      clientId: "app",
      scopes: [],
      extra: { peerage: { did: "did:key:zAdmin" }, sub: "u" },
    };
    expect(authInfoFor(claimed, undefined)).toEqual({ ...claimed, extra: { sub: "u" } });
    expect(authInfoFor(claimed, caller)?.extra).toEqual({ sub: "u", peerage: caller });
  });
});

describe("the current caller", () => {
  it("follows what a handler awaits, and nothing else", async () => {
    const seen = await runAs(caller, async () => {
      await Promise.resolve();
      return currentCaller()?.did;
    });
    expect([seen, currentCaller()]).toEqual([did, undefined]);
  });
});

describe("an intercepted handler", () => {
  it("is wrapped whenever and however often it is set, also through a class's own accessor", () => {
    class Inner {
      onmessage: ((text: string) => void) | undefined;
    }
    class Outer {
      readonly inner = new Inner();
      get onmessage(): ((text: string) => void) | undefined {
        return this.inner.onmessage;
      }
      set onmessage(handler) {
        this.inner.onmessage = handler;
      }
    }
    const heard: string[] = [];
    const wrap = (handler: (text: string) => void) => (text: string) => handler(`wrapped ${text}`);
    const plain = new Inner();
    const outer = new Outer();
    plain.onmessage = (text) => heard.push(`before ${text}`);
    interceptHandler(plain, "onmessage", wrap);
    interceptHandler(outer, "onmessage", wrap);
    plain.onmessage("a");
    plain.onmessage = (text) => heard.push(`after ${text}`);
    plain.onmessage("b");
    outer.onmessage = (text) => heard.push(`inner ${text}`);
    outer.inner.onmessage!("c");
    outer.onmessage = undefined;
    expect(outer.inner.onmessage).toBeUndefined();
    expect(heard).toEqual(["before wrapped a", "after wrapped b", "inner wrapped c"]);
  });
});
