import { createServer as createHttpServer, type Server as HttpServer, type ServerOptions } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer, type DetailedPeerCertificate, type SecureContextOptions, type Server, type TLSSocket, type TlsOptions } from "node:tls"; // prettier-ignore
import { BINDING_META, CALL_META, generateIdentity, isPeerageError, type PeerageError, signCall, type SpiffeId } from "@peerage/core"; // prettier-ignore
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { BundleStore } from "../mcp-middleware/src/spiffe/bundle-store.ts";
import { parseBundle } from "../mcp-middleware/src/spiffe/bundle.ts";
import { GuardSpiffe } from "../mcp-middleware/src/spiffe/guard-spiffe.ts";
import { bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { createMtlsServer } from "../mcp-middleware/src/spiffe/mtls-server.ts";
import { peerSvidOf, verifyPeer } from "../mcp-middleware/src/spiffe/peer-svid.ts";
import { SpiffeAgent } from "../mcp-middleware/src/spiffe/spiffe-agent.ts";
import type { X509Source } from "../mcp-middleware/src/spiffe/sources.ts";
import { clientTlsOptions } from "../mcp-middleware/src/spiffe/tls-options.ts";
import type { X509Identity } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { policyOf } from "./_guard.ts";
import { authority, bundleOf, type CertificateOptions, detailOf, extension, identityOf, type Issued, leaf, pem, usage } from "./_spiffe.ts"; // prettier-ignore
import { until } from "./_workload-api.ts";

const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const a = await authority("a.test", { ...valid, uris: [] });
const b = await authority("b.test", { ...valid, uris: [] });
const SERVER = "spiffe://a.test/guard";
const server = identityOf(await leaf(a, SERVER, valid));

/** An identity that a test replaces. */
class Fixed implements X509Source {
  readonly #listeners = new Set<() => void>();
  identity: X509Identity;
  constructor(identity: X509Identity) {
    this.identity = identity;
  }
  current(): X509Identity {
    return this.identity;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  replace(identity: X509Identity): void {
    this.identity = identity;
    for (const listener of this.#listeners) listener();
  }
}

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

interface Guarded {
  readonly port: number;
  readonly store: BundleStore;
  readonly source: Fixed;
  readonly refused: PeerageError[];
  /** What reached HTTP: connections and requests. */
  readonly reached: { connections: number; requests: number };
  readonly tls: Server;
}

function listening(listener: Server | HttpServer): Promise<number> {
  return new Promise((resolve) => {
    listener.listen(0, "127.0.0.1", () => resolve((listener.address() as AddressInfo).port));
  });
}

async function guarded(now?: () => Date, options: ServerOptions = {}): Promise<Guarded> {
  const store = new BundleStore({ trustDomains: ["a.test", "b.test"] });
  store.set("a.test", bundleOf(a), new Date());
  store.set("b.test", bundleOf(b), new Date());
  const source = new Fixed(server);
  const refused: PeerageError[] = [];
  const reached = { connections: 0, requests: 0 };
  const http = createHttpServer(options, (incoming, response) => {
    reached.requests++;
    response.end(peerSvidOf(incoming.socket)?.spiffeId);
  });
  http.on("connection", () => reached.connections++);
  const tls = createMtlsServer(http, { source, bundles: store, now, onRefused: (error) => refused.push(error as PeerageError) }); // prettier-ignore
  const sockets = new Set<TLSSocket>();
  tls.on("secureConnection", (socket) => sockets.add(socket));
  closers.push(() => {
    sockets.forEach((socket) => socket.destroy());
    tls.close();
    http.close();
  });
  return { port: await listening(tls), store, source, refused, reached, tls };
}

function contextOf(own: Issued, ...others: readonly Issued[]): SecureContextOptions {
  return { cert: pem(own, ...others), key: own.key.privateKey.export({ format: "pem", type: "pkcs8" }) };
}

/** Connects, sends a whole request at once, and returns what came back before the end. */
function raw(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  });
}

/** A plain TLS server with Node's own verdict, as it is usually written. */
async function naive(
  options: TlsOptions,
  look: (socket: TLSSocket) => unknown,
): Promise<{ port: number; seen: unknown[] }> {
  const seen: unknown[] = [];
  const own = await leaf(a, SERVER, valid);
  const listener = createServer({ ...contextOf(own), requestCert: true, ...options }, (socket) => {
    seen.push(look(socket));
    socket.end("ok");
  });
  closers.push(() => listener.close());
  return { port: await listening(listener), seen };
}

const pooled = { ca: [pem(a), pem(b)], rejectUnauthorized: true };
const authorized = (socket: TLSSocket): unknown => socket.authorized;

describe("mutual TLS on the guard", () => {
  it("lets a verified peer in and knows who it is", async () => {
    const { port, reached, refused } = await guarded();
    const middle = await authority("a.test", { ...valid, issuer: a });
    const own = await leaf(middle, "spiffe://a.test/agent", valid);
    expect(await raw(port, contextOf(own, middle))).toContain("spiffe://a.test/agent");
    expect([reached, refused]).toEqual([{ connections: 1, requests: 1 }, []]);
  });

  it("A-SPIFFE-01 refuses an authority of b.test that issues for a.test, where pooled CAs authorise it", async () => {
    const forged = await leaf(b, "spiffe://a.test/admin", valid);
    const usual = await naive(pooled, authorized);
    await raw(usual.port, contextOf(forged));
    expect(usual.seen).toEqual([true]);
    const ours = await guarded();
    expect(await raw(ours.port, contextOf(forged))).toBe("");
    expect(ours.refused.map(({ detail }) => detail)).toEqual(["untrusted"]);
    expect(ours.reached).toEqual({ connections: 0, requests: 0 });
  });

  it("A-SPIFFE-02 refuses each broken leaf for its own reason before a byte is read; Node authorises most", async () => {
    const cases: [string, boolean, CertificateOptions][] = [
      ["uri-san", true, { uris: ["spiffe://a.test/agent", "spiffe://a.test/admin"] }],
      ["leaf-ca", true, { ca: true }],
      ["leaf-no-digital-signature", true, { keyUsage: 1 << 4 }],
      ["leaf-key-cert-sign", true, { keyUsage: usage.leaf | usage.ca }],
      ["ext-key-usage", true, { extKeyUsage: ["1.3.6.1.5.5.7.3.2"] }],
      ["spiffe-id", true, { uris: ["spiffe://a.test"] }],
      ["td-unknown", true, { uris: ["spiffe://c.test/agent"] }],
      ["expired", false, { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }],
      ["critical-extension", false, { extensions: [extension("1.3.6.1.4.1.55555.1", true, "0500")] }],
    ];
    const usual = await naive({ ...pooled, rejectUnauthorized: false }, authorized);
    const ours = await guarded();
    for (const [reason, isAuthorized, options] of cases) {
      const own = await leaf(a, "spiffe://a.test/agent", { ...valid, ...options });
      await raw(usual.port, contextOf(own));
      expect(`${reason} ${String(usual.seen.pop())}`).toBe(`${reason} ${String(isAuthorized)}`);
      expect(await raw(ours.port, contextOf(own))).toBe("");
      expect(ours.refused.pop()?.detail).toBe(reason);
    }
    expect(await raw(ours.port, {})).toBe("");
    expect(ours.refused.pop()?.detail).toBe("no-certificate");
    expect(ours.reached).toEqual({ connections: 0, requests: 0 });
    expect(await raw(ours.port, contextOf(await leaf(a, "spiffe://a.test/agent", valid)))).toContain("200 OK");
  });

  it("A-SPIFFE-02 sees the whole chain, where a server with ca sees the leaf only", async () => {
    const middle = await authority("a.test", { ...valid, issuer: a });
    const own = await leaf(middle, "spiffe://a.test/agent", valid);
    const length = (socket: TLSSocket): number => {
      let count = 0;
      for (let at = socket.getPeerX509Certificate(); at; at = at.issuerCertificate) count++;
      return count;
    };
    const withCa = await naive({ ca: pem(a), rejectUnauthorized: false }, length);
    const without = await naive({ rejectUnauthorized: false }, length);
    await raw(withCa.port, contextOf(own, middle));
    await raw(without.port, contextOf(own, middle));
    expect([withCa.seen, without.seen]).toEqual([[1], [2]]);
    const ours = await guarded();
    expect(await raw(ours.port, contextOf(own, middle))).toContain("200 OK");
  });

  it("keeps the chain that it took, where a second reader of the socket gets the leaf only", async () => {
    const middle = await authority("a.test", { ...valid, issuer: a });
    const own = await leaf(middle, "spiffe://a.test/agent", valid);
    const twice = await naive({ rejectUnauthorized: false }, (socket) => {
      const first = socket.getPeerX509Certificate()?.issuerCertificate !== undefined;
      const detailed: Partial<DetailedPeerCertificate> = socket.getPeerCertificate(true);
      return [first, socket.getPeerX509Certificate()?.issuerCertificate !== undefined, detailed.issuerCertificate !== undefined]; // prettier-ignore
    });
    await raw(twice.port, contextOf(own, middle));
    expect(twice.seen).toEqual([[true, false, false]]);
    const { port, store, tls } = await guarded();
    let again: unknown;
    tls.on("secureConnection", (socket: TLSSocket) => {
      again = socket.getPeerX509Certificate()?.issuerCertificate;
      // Judged anew after the bundle changed, by the chain that was taken: it still holds.
      store.set("a.test", bundleOf(a, b), new Date());
    });
    expect(await raw(port, contextOf(own, middle))).toContain("spiffe://a.test/agent");
    expect(again).toBeUndefined();
  });

  it("resumes no session, where a usual server takes a resumed one with its leaf only", async () => {
    const middle = await authority("a.test", { ...valid, issuer: a });
    const own = contextOf(await leaf(middle, "spiffe://a.test/agent", valid), middle);
    const tickets = async (port: number): Promise<Buffer[]> => {
      const sessions: Buffer[] = [];
      await new Promise<void>((resolve) => {
        const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...own });
        socket.on("session", (session: Buffer) => sessions.push(session));
        socket.on("data", () => undefined);
        socket.on("close", () => resolve());
        socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      });
      return sessions;
    };
    const usual = await naive({ rejectUnauthorized: false }, (socket) => [
      socket.isSessionReused(),
      socket.getPeerX509Certificate()?.issuerCertificate !== undefined,
    ]);
    const session = (await tickets(usual.port)).at(-1)!;
    await raw(usual.port, { ...own, session });
    expect(usual.seen).toEqual([
      [false, true],
      [true, false],
    ]);
    const ours = await guarded();
    expect(await raw(ours.port, { ...own, session })).toContain("200 OK");
    // TLS 1.3 hands out tickets even so, that name a session which nobody kept.
    const [ticket] = await tickets(ours.port);
    const resumed = new Promise<boolean>((resolve) =>
      ours.tls.once("secureConnection", (socket: TLSSocket) => resolve(socket.isSessionReused())),
    );
    expect(await raw(ours.port, { ...own, ...(ticket ? { session: ticket } : {}) })).toContain("200 OK");
    expect(await resumed).toBe(false);
    expect(ours.refused).toEqual([]);
    // And where somebody's server resumes one all the same, a resumed socket is refused.
    const store = new BundleStore({ trustDomains: ["a.test"] });
    store.set("a.test", bundleOf(a), new Date());
    const judge = (socket: TLSSocket): string => detailOf(() => verifyPeer(socket, store, new Date()));
    const resuming = await naive({ rejectUnauthorized: false }, judge);
    const again = (await tickets(resuming.port)).at(-1)!;
    await raw(resuming.port, { ...own, session: again });
    expect(resuming.seen).toEqual(["accept", "resumed"]);
  });

  it("trusts an intermediate as anchor, where allowPartialTrustChain of a Node server does nothing", async () => {
    const middle = await authority("a.test", { ...valid, issuer: a });
    const own = await leaf(middle, "spiffe://a.test/agent", valid);
    const usual = await naive({ ca: pem(middle), rejectUnauthorized: false, allowPartialTrustChain: true }, authorized); // prettier-ignore
    await raw(usual.port, contextOf(own));
    expect(usual.seen).toEqual([false]);
    const ours = await guarded();
    ours.store.set("a.test", bundleOf(middle), new Date());
    expect(await raw(ours.port, contextOf(own))).toContain("200 OK");
  });

  it("A-SPIFFE-04 ends a connection when its leaf expires, and when its domain's bundle is emptied", async () => {
    const ours = await guarded();
    /** @returns whether it was let in before it ended */
    const ends = async (own: Issued, cause: () => void): Promise<boolean> => {
      const socket = connect({ host: "127.0.0.1", port: ours.port, rejectUnauthorized: false, ...contextOf(own) });
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => undefined);
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      const isIn = await Promise.race([
        closed.then(() => false),
        new Promise<boolean>((resolve) => socket.once("data", () => resolve(true))),
      ]);
      if (isIn) cause();
      await closed;
      return isIn;
    };
    // A busy machine may let it expire before it connects: then with a longer life.
    const living = (ms: number): Promise<Issued> =>
      leaf(a, "spiffe://a.test/agent", { ...valid, notAfter: new Date(Date.now() + ms) });
    let life = 1_500;
    for (; !(await ends(await living(life), () => undefined)); life *= 2) ours.refused.length = 0;
    expect(ours.refused.pop()?.detail).toBe("expired");
    const other = await leaf(b, "spiffe://b.test/agent", valid);
    const isIn = await ends(other, () => ours.store.set("b.test", parseBundle('{"keys": []}'), new Date()));
    expect(isIn).toBe(true);
    expect(ours.refused.pop()?.detail).toBe("untrusted");
  });

  it("cuts off a verified peer that never ends its request", async () => {
    const ours = await guarded(undefined, { headersTimeout: 100, connectionsCheckingInterval: 50 });
    const own = await leaf(a, "spiffe://a.test/agent", valid);
    const socket = connect({ host: "127.0.0.1", port: ours.port, rejectUnauthorized: false, ...contextOf(own) });
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    await new Promise((resolve) => socket.on("close", resolve));
    expect(text).toContain("408 Request Timeout");
    expect(ours.reached).toEqual({ connections: 1, requests: 0 });
  });

  it("presents a new identity after a rotation, and running connections finish", async () => {
    const ours = await guarded();
    const next = identityOf(await leaf(a, "spiffe://a.test/next", valid));
    const client = new Fixed(identityOf(await leaf(a, "spiffe://a.test/agent", valid)));
    const socket = connect({ host: "127.0.0.1", port: ours.port, ...clientTlsOptions(client) });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    await until(() => ours.reached.connections === 1);
    ours.source.replace(next);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const text = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(text.toString()).toContain("200 OK");
    const agent = new SpiffeAgent({ source: client, bundles: ours.store, expected: next.spiffeId });
    closers.push(() => agent.destroy());
    expect(await get(ours.port, agent)).toBe("spiffe://a.test/agent");
  });
});

function get(port: number, agent: SpiffeAgent): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(text));
    })
      .on("error", reject)
      .end();
  });
}

describe("mutual TLS toward an upstream", () => {
  it("A-SPIFFE-01 writes nothing before the server has shown exactly the expected SPIFFE ID", async () => {
    const { port, store, reached } = await guarded();
    const client = new Fixed(identityOf(await leaf(a, "spiffe://a.test/agent", valid)));
    const verdict = async (expected: SpiffeId, bundles = store): Promise<string> => {
      const agent = new SpiffeAgent({ source: client, bundles, expected });
      try {
        return await get(port, agent);
      } catch (error) {
        return isPeerageError(error) ? (error.detail ?? "") : String(error);
      } finally {
        agent.destroy();
      }
    };
    expect(await verdict(SERVER)).toBe("spiffe://a.test/agent");
    expect(await verdict("spiffe://a.test/other")).toBe("unexpected-id");
    expect(await verdict("spiffe://a.test")).toBe("unexpected-id");
    const empty = new BundleStore({ trustDomains: ["a.test"] });
    expect(await verdict(SERVER, empty)).toBe("td-unknown");
    expect(reached.requests).toBe(1);
  });

  it("keeps a connection for several requests", async () => {
    const { port, store, reached } = await guarded();
    const client = new Fixed(identityOf(await leaf(a, "spiffe://a.test/agent", valid)));
    const agent = new SpiffeAgent({ source: client, bundles: store, expected: SERVER });
    closers.push(() => agent.destroy());
    for (let i = 0; i < 5; i++) expect(await get(port, agent)).toBe("spiffe://a.test/agent");
    expect(reached).toEqual({ connections: 1, requests: 5 });
  });
});

describe("a guard behind mutual TLS", () => {
  const AGENT = "spiffe://a.test/agent";
  const rules = [
    { tools: "bound", spiffe: AGENT },
    { tools: ["open", "closed"], agents: "*" },
  ];
  const deny = [{ tools: "closed", spiffe: "spiffe://a.test/gateway" }];

  /** Calls tools over a connection that is `from`, with a binding to `bound`. */
  async function calling(options: { matchConnection?: boolean } = {}) {
    const store = new BundleStore({ trustDomains: ["a.test"] });
    store.set("a.test", bundleOf(a), new Date());
    const verifier = new GuardSpiffe({ bundles: store, ...options });
    const policy = policyOf(rules, { deny, open: true });
    const guard = await createGuard({ identity: generateIdentity(), policy, spiffe: verifier });
    const upstream = createHttpServer((incoming, response) => {
      let text = "";
      incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
      incoming.on("end", () => {
        const { id } = JSON.parse(text) as { id: number };
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } }));
      });
    });
    const proxy = await startHttpGuard({
      guard,
      upstream: `http://127.0.0.1:${String(await listening(upstream))}/mcp`,
      secure: (http) => createMtlsServer(http, { source: new Fixed(server), bundles: store }),
      log: () => undefined,
    });
    closers.push(() => {
      void proxy.close();
      upstream.closeAllConnections();
      upstream.close();
      void guard[Symbol.asyncDispose]();
    });
    const me = generateIdentity();
    let id = 0;
    return async (tool: string, from: X509Identity, bound?: X509Identity): Promise<string> => {
      const params = { name: tool, arguments: {} };
      const token = await signCall(me, { audience: proxy.url, message: { method: "tools/call", params } });
      const binding = bound ? { [BINDING_META]: (await bindX509(me, bound)).value } : {};
      const message = { jsonrpc: "2.0", id: ++id, method: "tools/call", params: { ...params, _meta: { [CALL_META]: token, ...binding } } }; // prettier-ignore
      const agent = new SpiffeAgent({ source: new Fixed(from), bundles: store, expected: SERVER });
      const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      const text = await new Promise<string>((resolve, reject) => {
        request(proxy.url, { agent, method: "POST", headers }, (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () => resolve(text));
        })
          .on("error", reject)
          .end(JSON.stringify(message));
      });
      agent.destroy();
      return /ERR_[A-Z_]+/.exec(text)?.[0] ?? "admitted";
    };
  }
  const of = async (id: string): Promise<X509Identity> => identityOf(await leaf(a, id, valid));

  it("A-SPIFFE-04 takes the connection's SPIFFE ID for unbound: it admits nobody, and can be denied", async () => {
    const call = await calling();
    const [agent, gateway] = [await of(AGENT), await of("spiffe://a.test/gateway")];
    expect(await call("bound", agent)).toBe("ERR_SPIFFE_REQUIRED");
    expect(await call("bound", agent, agent)).toBe("admitted");
    expect(await call("open", gateway)).toBe("admitted");
    expect(await call("closed", gateway)).toBe("ERR_POLICY_DENIED");
    expect(await call("closed", agent)).toBe("admitted");
    // A bound ID does not hide who connects.
    expect(await call("closed", gateway, agent)).toBe("ERR_POLICY_DENIED");
    expect(await call("bound", gateway, agent)).toBe("admitted");
  });

  it("lets a gateway connect for the agent behind it, unless the two must be the same", async () => {
    const [agent, gateway] = [await of(AGENT), await of("spiffe://a.test/gateway")];
    expect(await (await calling())("bound", gateway, agent)).toBe("admitted");
    const strict = await calling({ matchConnection: true });
    expect(await strict("bound", gateway, agent)).toBe("ERR_SPIFFE_BINDING");
    expect(await strict("bound", agent, agent)).toBe("admitted");
  });
});
