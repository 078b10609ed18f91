import { createServer as createHttps, type ServerOptions } from "node:https";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { toBase64 } from "@peerage/core";
import { afterEach, describe, expect, it } from "vitest";
import { BundleStore } from "../mcp-middleware/src/spiffe/bundle-store.ts";
import { type FederationOptions, watchFederation } from "../mcp-middleware/src/spiffe/federation.ts";
import { secureContextOf } from "../mcp-middleware/src/spiffe/tls-options.ts";
import { authority, bundleOf, certificate, identityOf, type Issued, leaf, newKey, pem, usage } from "./_spiffe.ts";

const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const root = await authority("b.test", valid);
const ENDPOINT = "spiffe://b.test/bundle-endpoint";
const webCa = await certificate({ ...valid, subject: "CN=web", ca: true, keyUsage: usage.ca });
const web = await certificate({ ...valid, issuer: webCa, subject: "CN=x", keyUsage: usage.leaf, names: [{ type: "ip", value: "127.0.0.1" }] }); // prettier-ignore

function document(sequence: number, ...authorities: readonly Issued[]): string {
  const keys = authorities.map(({ der }) => ({
    use: "x509-svid",
    ...newKey().publicKey.export({ format: "jwk" }),
    x5c: [toBase64(der)],
  }));
  return JSON.stringify({ spiffe_sequence: sequence, spiffe_refresh_hint: 60, keys });
}

const closers: (() => void | PromiseLike<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(options: ServerOptions | undefined, answer: Answer): Promise<string> {
  const server = options ? createHttps(options, answer) : createHttp(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `${options ? "https" : "http"}://127.0.0.1:${String((server.address() as AddressInfo).port)}/bundle`;
}

const webServer = { cert: pem(web), key: web.key.privateKey.export({ format: "pem", type: "pkcs8" }) };

async function follow(options: Partial<FederationOptions> & { url: string }): Promise<{
  store: BundleStore;
  lines: string[];
  refresh: () => Promise<void>;
}> {
  const store = options.store ?? new BundleStore({ trustDomains: ["b.test"] });
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const source = watchFederation({
    trustDomain: "b.test",
    profile: "https_web",
    ca: pem(webCa),
    log,
    ...options,
    store,
  });
  closers.push(() => source[Symbol.asyncDispose]());
  await source.ready;
  return { store, lines, refresh: () => source.refresh() };
}

const count = (store: BundleStore): number | undefined => store.get("b.test", new Date())?.x509Authorities.length;

describe("a bundle endpoint by https_web", () => {
  it("is read without credentials, again and again, and its last good bundle stays", async () => {
    let text = document(2, root);
    const seen: IncomingMessage["headers"][] = [];
    const url = await serve(webServer, (request, response) => {
      seen.push(request.headers);
      response.end(text);
    });
    const { store, lines, refresh } = await follow({ url });
    expect(count(store)).toBe(1);
    expect(Object.keys(seen[0] ?? {}).sort()).toEqual(["accept", "connection", "host"]);
    text = document(1);
    await refresh();
    text = "{";
    await refresh();
    text = "x".repeat(1_100_000);
    await refresh();
    expect(count(store)).toBe(1);
    expect(lines.map((line) => /\((.*)\)/.exec(line)?.[1])).toEqual(["rollback", "bundle", "size"]);
    text = document(3);
    await refresh();
    expect(count(store)).toBe(0);
  });

  it("A-SPIFFE-01 is refused for another host, another authority, and plain HTTP", async () => {
    const url = await serve(webServer, (_, response) => response.end(document(1, root)));
    expect(count((await follow({ url: url.replace("127.0.0.1", "localhost") })).store)).toBeUndefined();
    expect(count((await follow({ url, ca: pem(root) })).store)).toBeUndefined();
    const plain = await serve(undefined, (_, response) => response.end(document(1, root)));
    await expect(follow({ url: plain })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    await expect(follow({ url: url.replace("//", "//me@") })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });

  it("may redirect three times, to https only", async () => {
    const plain = await serve(undefined, (_, response) => response.end(document(1, root)));
    let hops = 3;
    let target = "";
    const url = await serve(webServer, (request, response) => {
      const left = Number(/\d+$/.exec(request.url ?? "")?.[0] ?? hops);
      if (left > 0) response.writeHead(302, { location: target || `/hop/${String(left - 1)}` }).end();
      else response.end(document(1, root));
    });
    expect(count((await follow({ url })).store)).toBe(1);
    hops = 4;
    expect((await follow({ url })).lines.join()).toContain("redirect");
    target = plain;
    expect(count((await follow({ url })).store)).toBeUndefined();
  });
});

describe("a bundle endpoint by https_spiffe", () => {
  it("A-SPIFFE-01 is believed only with exactly the configured SPIFFE ID, by the last good bundle", async () => {
    let own = await leaf(root, ENDPOINT, valid);
    const context = (): ServerOptions => secureContextOf(identityOf(own));
    const next = await authority("b.test", valid);
    const url = await serve(context(), (_, response) => response.end(document(2, root, next)));
    const bootstrapped = (): BundleStore => {
      const store = new BundleStore({ trustDomains: ["b.test"] });
      store.set("b.test", bundleOf(root), new Date());
      return store;
    };
    const spiffe = { profile: "https_spiffe", endpointId: ENDPOINT } as const;
    expect(count((await follow({ url, ...spiffe, store: bootstrapped() })).store)).toBe(2);
    const empty = await follow({ url, ...spiffe });
    expect([count(empty.store), empty.lines.join()]).toEqual([undefined, expect.stringContaining("td-unknown")]);
    const wrong = await follow({ url, ...spiffe, endpointId: `${ENDPOINT}2`, store: bootstrapped() });
    expect([count(wrong.store), wrong.lines.join()]).toEqual([1, expect.stringContaining("unexpected-id")]);
    own = await leaf(next, ENDPOINT, valid);
    const foreign = await serve(context(), (_, response) => response.end(document(2, next)));
    expect((await follow({ url: foreign, ...spiffe, store: bootstrapped() })).lines.join()).toContain("untrusted");
    await expect(follow({ url, profile: "https_spiffe" })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });
});
