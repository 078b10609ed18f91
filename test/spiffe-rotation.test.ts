import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { generateIdentity, isPeerageError, type JsonObject, parseCallProof, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { Binder } from "../mcp-middleware/src/spiffe/binder.ts";
import { createMtlsServer } from "../mcp-middleware/src/spiffe/mtls-server.ts";
import { openSpiffe, type Spiffe } from "../mcp-middleware/src/spiffe/open-spiffe.ts";
import { SpiffeAgent } from "../mcp-middleware/src/spiffe/spiffe-agent.ts";
import { authority, identityOf, type Issued, leaf } from "./_spiffe.ts";
import { TestAgent, until } from "./_workload-api.ts";

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

/** A server behind mutual TLS that answers each signed call with what it verified. */
async function startServer(spiffe: Spiffe): Promise<{ port: number; connections: () => number; close: () => void }> {
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = "";
    for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString();
    const { token, binding } = JSON.parse(text) as { token: string; binding: JsonObject };
    try {
      const presented = { binding, connection: incoming.socket, audiences: new Set<string>(), now: new Date() };
      const { spiffe: id, proof } = spiffe.verifier.verify(presented, parseCallProof(token));
      response.end(`${id ?? "none"} ${proof ?? ""}`);
    } catch (error) {
      response.end(isPeerageError(error) ? error.code : String(error));
    }
  };
  let connections = 0;
  const http = createServer((incoming, response) => void answer(incoming, response));
  const tls = createMtlsServer(http, { source: spiffe.x509!, bundles: spiffe.bundles });
  tls.on("secureConnection", () => connections++);
  await new Promise<void>((resolve) => tls.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    http.closeAllConnections();
    tls.close();
  };
  return { port: (tls.address() as AddressInfo).port, connections: () => connections, close };
}

function post(port: number, agent: SpiffeAgent, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent, method: "POST" }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    })
      .on("error", reject)
      .end(body);
  });
}

describe("rotation", () => {
  it("of SVIDs that live for five seconds, and of the authority, fails no call under load; then it fails closed", async () => {
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
    const { port, connections, close } = await startServer(server);
    const signer = generateIdentity();
    using binder = new Binder({ signer, x509: client.x509 });
    const agent = new SpiffeAgent({ source: client.x509, bundles: client.bundles, expected: GUARD });
    const call = async (): Promise<string> => {
      const token = await signCall(signer, { audience: "did:guard", message: { method: "ping" } });
      return post(port, agent, JSON.stringify({ token, binding: await binder.current() }));
    };

    const answers = new Map<string, number>();
    let done = false;
    const load = Array.from({ length: 4 }, async () => {
      while (!done) {
        const answer = await call().catch((error: unknown) => String(error));
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    });
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      if (i === 1) {
        // The new authority is published before it signs.
        authorities = [...authorities, await newAuthority()];
        for (const [side, id] of [[clientSide, AGENT], [serverSide, GUARD]] as const) await rotate(side, id, authorities[0]!, authorities); // prettier-ignore
      } else await rotateBoth();
    }
    done = true;
    await Promise.all(load);
    expect([...answers.keys()]).toEqual([`${AGENT} mutual`]);
    expect(connections()).toBeGreaterThan(4);

    // The agents die: what is held serves, and after its end nothing does.
    await clientSide.stop();
    await serverSide.stop();
    expect(await call()).toBe(`${AGENT} mutual`);
    await until(() => client.x509?.current() === undefined && server.x509?.current() === undefined);
    await expect(call()).rejects.toThrow();
    agent.destroy();
    close();
  }, 60_000);

  it("A-SPIFFE-01 an emptied bundle refuses with the next message of the stream", async () => {
    await using side = await TestAgent.start();
    const root = await newAuthority();
    await rotate(side, AGENT, root, [root]);
    await using spiffe = await openSpiffe(config, { endpointSocket: side.address });
    await until(() => spiffe.states()[0]?.bundle !== undefined);
    const signer = generateIdentity();
    using binder = new Binder({ signer, x509: spiffe.x509 });
    const token = await signCall(signer, { audience: "did:guard", message: { method: "ping" } });
    const binding = await binder.current();
    const verdict = (): string | undefined => {
      try {
        const presented = { binding, audiences: new Set<string>(), now: new Date() };
        return spiffe.verifier.verify(presented, parseCallProof(token)).spiffe;
      } catch (error) {
        return isPeerageError(error) ? error.detail : String(error);
      }
    };
    expect(verdict()).toBe(AGENT);
    side.set("FetchX509Bundles", { bundles: { "spiffe://a.test": Buffer.alloc(0) } });
    await until(() => spiffe.states()[0]?.bundle?.x509Authorities.length === 0);
    expect(verdict()).toBe("untrusted");
    side.set("FetchX509Bundles", { bundles: {} });
    await until(() => spiffe.states()[0]?.bundle === undefined);
    expect(verdict()).toBe("td-unknown");
  });
});
