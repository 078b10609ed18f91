import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { generateIdentity, parseCallProof, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { Binder } from "../mcp-middleware/src/spiffe/binder.ts";
import { verifyBinding } from "../mcp-middleware/src/spiffe/binding.ts";
import { BundleStore } from "../mcp-middleware/src/spiffe/bundle-store.ts";
import { openSpiffe } from "../mcp-middleware/src/spiffe/open-spiffe.ts";
import { signJws } from "../mcp-middleware/src/spiffe/jws.ts";
import { WorkloadApi, type WorkloadApiOptions } from "../mcp-middleware/src/spiffe/workload-api.ts";
import { workloadApiTarget } from "../mcp-middleware/src/spiffe/workload-api-address.ts";
import { verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { authority, detailOf, identityOf, type Issued, leaf, newKey } from "./_spiffe.ts";
import { TestAgent, until } from "./_workload-api.ts";

const ID = "spiffe://a.test/agent";
const quick = { firstMs: 20, mostMs: 100 };
// These certificates are valid now: the streams run by the real clock.
const validity = (lifeSeconds = 3_600): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(Date.now() - 60_000),
  notAfter: new Date(Date.now() + lifeSeconds * 1000),
});
const root = await authority("a.test", validity());
const other = await authority("b.test", validity());
const svidOf = async (from: Issued = root, id = ID, life?: number): ReturnType<typeof leaf> =>
  leaf(from, id, validity(life));

function open(
  agent: TestAgent,
  options: Partial<WorkloadApiOptions> = {},
): { api: WorkloadApi; store: BundleStore; lines: string[] } {
  const store = new BundleStore({ trustDomains: ["a.test", "b.test"] });
  const lines: string[] = [];
  const api = new WorkloadApi({
    address: agent.address,
    store,
    trustDomains: ["a.test", "b.test"],
    log: (line) => lines.push(line),
    backoff: quick,
    ...options,
  });
  return { api, store, lines };
}

describe("the Workload API", () => {
  it("delivers SVIDs and bundles, and each message replaces all before it", async () => {
    await using agent = await TestAgent.start();
    const first = identityOf(await svidOf());
    agent.setX509([first], { "a.test": [root.der], "b.test": [other.der], "c.test": [other.der] });
    const { api, store } = open(agent);
    using _ = api;
    await api.ready;
    await until(() => store.get("b.test", new Date()) !== undefined);
    expect(api.current()).toMatchObject({ spiffeId: ID, trustDomain: "a.test" });
    expect(detailOf(() => verifyX509Svid(api.current()!.chain, store, new Date()))).toBe("accept");
    expect(store.get("c.test", new Date())).toBeUndefined();

    let changes = 0;
    api.onChange(() => changes++);
    const second = identityOf(await svidOf());
    agent.setX509([second], { "a.test": [root.der, other.der] });
    await until(() => changes > 0 && store.get("a.test", new Date())?.x509Authorities.length === 2);
    expect(Buffer.from(api.current()!.chain[0]!).equals(second.chain[0]!)).toBe(true);
    expect(store.get("b.test", new Date())).toBeUndefined();
  });

  it("takes the first SVID as its own, and the first of equal hints", async () => {
    await using agent = await TestAgent.start();
    const ids = ["spiffe://a.test/one", "spiffe://a.test/two", "spiffe://a.test/three"];
    const [one, two, three] = await Promise.all(ids.map(async (id) => identityOf(await svidOf(root, id))));
    agent.setX509(
      [
        { ...one!, hint: "x" },
        { ...two!, hint: "x" },
        { ...three!, hint: "y" },
      ],
      { "a.test": [root.der] },
    );
    using api = open(agent).api;
    await api.ready;
    expect(api.current()).toMatchObject({ spiffeId: ids[0], hint: "x" });
  });

  it("shows the security header on every call, without which an agent refuses", async () => {
    await using agent = await TestAgent.start();
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    using api = open(agent).api;
    await api.ready;
    expect(agent.refused).toBe(0);
    const bare = new Client(workloadApiTarget(agent.address), credentials.createInsecure());
    const empty = (): Buffer => Buffer.alloc(0);
    const stream = bare.makeServerStreamRequest(
      "/SpiffeWorkloadAPI/FetchX509SVID",
      empty,
      (bytes) => bytes,
      {},
      new Metadata(),
    );
    const code = await new Promise((resolve) => stream.on("error", (error: { code?: number }) => resolve(error.code)));
    bare.close();
    expect(code).toBe(3);
    expect(agent.refused).toBe(1);
  });

  it("serves what it holds while the agent is gone, until it expires, and takes up again", async () => {
    await using agent = await TestAgent.start();
    let clock = Date.now();
    agent.setX509([identityOf(await svidOf(root, ID, 60))], { "a.test": [root.der] });
    const { api, store, lines } = open(agent, { now: () => new Date(clock) });
    using _ = api;
    await api.ready;
    await until(() => store.get("a.test", new Date(clock)) !== undefined);
    await agent.stop();
    await until(() => lines.some((line) => line.includes("broke off")));
    expect(api.current()).toMatchObject({ spiffeId: ID });
    const chain = api.current()!.chain;
    expect(detailOf(() => verifyX509Svid(chain, store, new Date(clock)))).toBe("accept");
    clock += 62_000;
    expect(api.current()).toBeUndefined();
    expect(detailOf(() => verifyX509Svid(chain, store, new Date(clock)))).toBe("expired");
    clock += 86_400_000;
    expect(store.get("a.test", new Date(clock))).toBeUndefined();

    clock = Date.now();
    agent.setX509([identityOf(await svidOf(root, "spiffe://a.test/back"))], { "a.test": [root.der] });
    await agent.start();
    await until(() => api.current()?.spiffeId === "spiffe://a.test/back");
    expect(lines.some((line) => line.includes("is back"))).toBe(true);
  });

  it("keeps bundles fresh while the agent is there, and lets them age when it is gone", async () => {
    await using agent = await TestAgent.start();
    let clock = Date.now();
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    const { api, store, lines } = open(agent, { now: () => new Date(clock), confirmMs: 10 });
    using _ = api;
    const age = (): number => store.states(new Date(clock))[0]?.ageSeconds ?? Infinity;
    await until(() => age() < 1);
    clock += 3_600_000;
    await until(() => age() < 1);
    await agent.stop();
    await until(() => lines.some((line) => line.includes("FetchX509Bundles broke off")));
    clock += 3_600_000;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(age()).toBeGreaterThan(3_599);
  });

  it("gives up its identity when the agent says that it has none", async () => {
    await using agent = await TestAgent.start();
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    using api = open(agent).api;
    await api.ready;
    agent.set("FetchX509SVID", "denied");
    await until(() => api.current() === undefined);
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    await until(() => api.current() !== undefined);
  });

  it("stops a stream that is not implemented, and keeps the others", async () => {
    await using agent = await TestAgent.start();
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    const { api, lines } = open(agent);
    using _ = api;
    await api.ready;
    await until(() => lines.some((line) => line.includes("FetchWITSVID is not served here (UNIMPLEMENTED)")));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(lines.filter((line) => line.includes("FetchWITSVID"))).toHaveLength(1);
    expect(agent.streams("FetchX509SVID")).toBe(1);
  });

  it("takes no part of a state that cannot be read, and never logs what was in it", async () => {
    await using agent = await TestAgent.start();
    const good = identityOf(await svidOf());
    agent.setX509([good], { "a.test": [root.der] });
    const { api, lines } = open(agent);
    using _ = api;
    await api.ready;
    const stranger = newKey().privateKey;
    agent.setX509([identityOf(await svidOf(root, "spiffe://a.test/new")), { ...good, privateKey: stranger }], {});
    await until(() => lines.some((line) => line.includes("not read (key-mismatch)")));
    expect(api.current()).toMatchObject({ spiffeId: ID });
    expect(lines.join()).not.toMatch(/BEGIN|eyJ|MII/);
  });

  it("binds by whatever the agent issues: X.509-SVID, WIT-SVID, JWT-SVID", async () => {
    await using agent = await TestAgent.start();
    const signer = generateIdentity();
    const issuer = newKey();
    const jwk = { ...issuer.publicKey.export({ format: "jwk" }), kid: "k" };
    const exp = Math.floor(Date.now() / 1000) + 300;
    const holder = newKey();
    const cnf = { jwk: { ...holder.publicKey.export({ format: "jwk" }), alg: "ES256" } };
    const keys = JSON.stringify({ keys: [jwk] });
    agent.set("FetchJWTBundles", { bundles: { "spiffe://a.test": Buffer.from(keys) } });
    agent.set("FetchWITBundles", { bundles: { "spiffe://a.test": keys } });
    agent.set("FetchX509Bundles", { bundles: { "spiffe://a.test": Buffer.from(root.der) } });
    agent.set("FetchX509SVID", "denied");
    agent.set("FetchWITSVID", { svids: [] });
    agent.jwtSvid = (aud) => [{ spiffe_id: ID, svid: signJws({ alg: "ES256", kid: "k" }, { sub: ID, aud: [...aud], exp }, issuer.privateKey), hint: "" }]; // prettier-ignore
    const { api, store } = open(agent);
    using _ = api;
    using binder = new Binder({ signer, x509: api, wit: api, jwt: api });
    await until(() => (store.get("a.test", new Date())?.witAuthorities.size ?? 0) === 1);
    await until(() => (store.get("a.test", new Date())?.jwtAuthorities.size ?? 0) === 1);
    await until(() => (store.get("a.test", new Date())?.x509Authorities.length ?? 0) === 1);
    const proof = parseCallProof(await signCall(signer, { audience: "did:guard", message: { method: "ping" } }));
    const proofNow = async (): Promise<string> =>
      verifyBinding((await binder.current())!, { bundles: store, now: new Date(), proof }).proof;
    expect(await proofNow()).toBe("token");

    const wit = signJws({ alg: "ES256", kid: "k", typ: "wit+jwt" }, { sub: ID, exp, cnf }, issuer.privateKey);
    const wit_svid_key = JSON.stringify(holder.privateKey.export({ format: "jwk" }));
    agent.set("FetchWITSVID", { svids: [{ spiffe_id: ID, wit_svid: wit, wit_svid_key, hint: "" }] });
    await until(() => api.currentWit() !== undefined);
    expect(await proofNow()).toBe("wit");

    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    await until(() => api.current() !== undefined);
    expect(await proofNow()).toBe("mutual");
  });

  it("is opened from a configuration, and its address is a socket or an IP address", async () => {
    await using agent = await TestAgent.start();
    agent.setX509([identityOf(await svidOf())], { "a.test": [root.der] });
    const config = { trustDomains: { "a.test": { workloadApi: true } } };
    await using spiffe = await openSpiffe(config, { endpointSocket: agent.address });
    await until(() => spiffe.states()[0]?.bundle !== undefined);
    expect(spiffe.x509?.current()).toMatchObject({ spiffeId: ID });
    expect(spiffe.states()).toMatchObject([{ trustDomain: "a.test" }]);
    await expect(openSpiffe(config)).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    expect(workloadApiTarget("tcp://127.0.0.1:8081")).toBe("ipv4:127.0.0.1:8081");
    expect(workloadApiTarget("tcp://[::1]:8081")).toBe("ipv6:[::1]:8081");
    const wrong = ["unix:agent.sock", "unix://agent.sock", "tcp://localhost:1", "tcp://1.2.3.4", "tcp://1.2.3.4:0", "tcp://1.2.3.4:1/x", "http://1.2.3.4:1", "dns:x"]; // prettier-ignore
    for (const address of wrong) expect(() => workloadApiTarget(address), address).toThrow("a Workload API is");
  });
});
