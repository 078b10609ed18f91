import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { generateIdentity, type JsonObject, member, type PeerageError } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard } from "../../mcp-middleware/src/proxy/index.ts";
import { type CallSigner, createCallSigner } from "../../mcp-middleware/src/sign/call-signer.ts";
import { Binder } from "../../mcp-middleware/src/spiffe/binder.ts";
import { createMtlsServer } from "../../mcp-middleware/src/spiffe/mtls-server.ts";
import { openSpiffe, type Spiffe } from "../../mcp-middleware/src/spiffe/open-spiffe.ts";
import { SpiffeAgent } from "../../mcp-middleware/src/spiffe/spiffe-agent.ts";
import { policyOf } from "../_guard.ts";
import { authority, identityOf, type Issued, leaf } from "../_spiffe.ts";
import { TestAgent, until } from "../_workload-api.ts";

const AGENT = "spiffe://a.test/agent";
const GUARD = "spiffe://a.test/guard" as const;
const LIFE_MS = 5_000;
const config = { trustDomains: { "a.test": { workloadApi: true } } };

/** An authority as of now. */
const newAuthority = (): Promise<Issued> =>
  authority("a.test", { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) });

/** Issues an SVID that lives for five seconds, and sets it with these authorities. */
async function rotate(agent: TestAgent, id: string, from: Issued, authorities: readonly Issued[]): Promise<void> {
  const life = { notBefore: new Date(Date.now() - 10_000), notAfter: new Date(Date.now() + LIFE_MS) };
  const own = identityOf(await leaf(from, id, life));
  agent.setX509([own], { "a.test": authorities.map(({ der }) => der) });
}

/** A tool server that only the guard reaches: it, too, is behind mutual TLS. */
async function startUpstream(spiffe: Spiffe): Promise<{ url: string; close: () => void }> {
  const http = createServer((incoming, response) => {
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      const { id } = JSON.parse(text) as { id: number };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "done" }] } }));
    });
  });
  const tls = createMtlsServer(http, { source: spiffe.x509!, bundles: spiffe.bundles });
  await new Promise<void>((resolve) => tls.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    http.closeAllConnections();
    tls.close();
  };
  return { url: `https://127.0.0.1:${String((tls.address() as AddressInfo).port)}/mcp`, close };
}

/** A guard behind mutual TLS that lets in who has the agent's SPIFFE ID, bound to whatever DID. */
async function startGuard(
  spiffe: Spiffe,
): Promise<{ url: string; did: string; connections: () => number; refused: string[] } & AsyncDisposable> {
  const upstream = await startUpstream(spiffe);
  const policy = policyOf([{ tools: "echo", spiffe: AGENT }]);
  const guard = await createGuard({ identity: generateIdentity(), policy, spiffe: spiffe.verifier });
  const { bundles } = spiffe;
  let connections = 0;
  const refused: string[] = [];
  const proxy = await startHttpGuard({
    guard,
    upstream: upstream.url,
    upstreamAgent: new SpiffeAgent({ source: spiffe.x509, bundles, expected: GUARD }),
    secure: (http) => {
      const onRefused = (error: unknown): void => void refused.push((error as PeerageError).detail ?? String(error));
      const tls = createMtlsServer(http, { source: spiffe.x509!, bundles, onRefused });
      tls.on("secureConnection", () => connections++);
      return tls;
    },
    log: (line) => void refused.push(line),
  });
  const close = async (): Promise<void> => {
    await proxy.close();
    upstream.close();
    await guard[Symbol.asyncDispose]();
  };
  return { url: proxy.url, did: guard.did, connections: () => connections, refused, [Symbol.asyncDispose]: close };
}

/** Calls the tool: the text of the answer, or the code of the refusal. */
function caller(url: string, signer: CallSigner, agent: SpiffeAgent): () => Promise<string> {
  let id = 0;
  return async () => {
    const params = { name: "echo", arguments: {} };
    const body = JSON.stringify(await signer.sign({ jsonrpc: "2.0", id: ++id, method: "tools/call", params }));
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const text = await new Promise<string>((resolve, reject) => {
      request(url, { agent, method: "POST", headers }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve(text));
        response.on("error", reject);
      })
        .on("error", reject)
        .end(body);
    });
    const answer = JSON.parse(text) as JsonObject;
    return member(answer, "result") === undefined ? text : "done";
  };
}

describe("rotation", () => {
  // A machine that stands still for longer than an SVID lives fails this honestly: then it is asked again.
  it(
    "of SVIDs that live for five seconds, and of the authority, fails no call under load; then it fails closed",
    { retry: 2, timeout: 60_000 },
    async () => {
      await using clientSide = await TestAgent.start();
      await using serverSide = await TestAgent.start();
      let authorities = [await newAuthority()];
      const rotateBoth = async (): Promise<void> => {
        await rotate(clientSide, AGENT, authorities.at(-1)!, authorities);
        await rotate(serverSide, GUARD, authorities.at(-1)!, authorities);
      };
      await rotateBoth();
      await using client = await openSpiffe(config, { endpointSocket: clientSide.address });
      await using server = await openSpiffe(config, { endpointSocket: serverSide.address });
      await until(() => [client, server].every((side) => side.states()[0]?.bundle !== undefined));
      await using guard = await startGuard(server);
      const identity = generateIdentity();
      using binder = new Binder({ signer: identity, x509: client.x509 });
      const binding = (): Promise<JsonObject | undefined> => binder.current();
      const signer = createCallSigner({ signer: identity, endpoint: { url: guard.url }, binding });
      const agent = new SpiffeAgent({ source: client.x509, bundles: client.bundles, expected: GUARD });
      const call = caller(guard.url, signer, agent);

      const answers = new Map<string, number>();
      let done = false;
      const load = Array.from({ length: 4 }, async () => {
        while (!done) {
          const answer = await call().catch((error: unknown) => String(error));
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
          // The guard remembers so many proofs of one caller at a time; this is not about them.
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      for (let i = 0; i < 5; i++) {
        const before = answers.get("done") ?? 0;
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect(answers.get("done"), "there is load").toBeGreaterThan(before);
        if (i === 1) {
          // The new authority is published before it signs.
          authorities = [...authorities, await newAuthority()];
          for (const [side, id] of [[clientSide, AGENT], [serverSide, GUARD]] as const) await rotate(side, id, authorities[0]!, authorities); // prettier-ignore
        } else await rotateBoth();
      }
      done = true;
      await Promise.all(load);
      expect([[...answers.keys()], guard.refused]).toEqual([["done"], []]);
      expect(guard.connections()).toBeGreaterThan(4);

      // The agents die: what is held serves, and after its end nothing does.
      await clientSide.stop();
      await serverSide.stop();
      expect(await call()).toBe("done");
      await until(() => client.x509?.current() === undefined && server.x509?.current() === undefined);
      await expect(call()).rejects.toThrow();
      agent.destroy();
    },
  );

  it("A-SPIFFE-01 an emptied bundle ends connections and refuses with the next message of the stream", async () => {
    await using clientSide = await TestAgent.start();
    await using serverSide = await TestAgent.start();
    const root = await newAuthority();
    const hour = { notBefore: new Date(Date.now() - 10_000), notAfter: new Date(Date.now() + 3_600_000) };
    clientSide.setX509([identityOf(await leaf(root, AGENT, hour))], { "a.test": [root.der] });
    serverSide.setX509([identityOf(await leaf(root, GUARD, hour))], { "a.test": [root.der] });
    await using client = await openSpiffe(config, { endpointSocket: clientSide.address });
    await using server = await openSpiffe(config, { endpointSocket: serverSide.address });
    await using guard = await startGuard(server);
    const identity = generateIdentity();
    using binder = new Binder({ signer: identity, x509: client.x509 });
    const signer = createCallSigner({
      signer: identity,
      endpoint: { url: guard.url },
      binding: () => binder.current(),
    });
    const agent = new SpiffeAgent({ source: client.x509, bundles: client.bundles, expected: GUARD });
    const call = caller(guard.url, signer, agent);
    expect(await call()).toBe("done");
    serverSide.set("FetchX509Bundles", { bundles: { "spiffe://a.test": Buffer.alloc(0) } });
    await until(() => server.states()[0]?.bundle?.x509Authorities.length === 0);
    // The connection that was open is gone, and no new one is made.
    expect(guard.refused).toEqual(["untrusted"]);
    await expect(call()).rejects.toThrow();
    await until(() => guard.refused.length > 1);
    expect(guard.refused.at(-1)).toBe("untrusted");
    serverSide.set("FetchX509Bundles", { bundles: { "spiffe://a.test": Buffer.from(root.der) } });
    await until(() => server.states()[0]?.bundle?.x509Authorities.length === 1);
    expect(await call()).toBe("done");
    serverSide.set("FetchX509Bundles", { bundles: {} });
    await until(() => server.states()[0]?.bundle === undefined);
    await expect(call()).rejects.toThrow();
    await until(() => guard.refused.at(-1) === "td-unknown");
    agent.destroy();
  });
});
