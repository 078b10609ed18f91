import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateIdentity, issueProfile, issueVouch } from "@peerage/core";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const [alice, bob] = [generateIdentity(), generateIdentity()];
let registry: TestRegistry;
let id: string;
beforeAll(async () => {
  const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 70 });
  registry = await startRegistry({ roots: [alice.did] });
  ({ id } = await registry.publish(vouch.bytes));
});
afterAll(() => registry[Symbol.asyncDispose]());

/** An address of every route, by its description. */
const examples = (): Record<string, string> => ({
  "/v1/statements": "/v1/statements?limit=1",
  "/v1/statements/{id}": `/v1/statements/${id}`,
  "/v1/statements/{id}/proof": `/v1/statements/${id}/proof`,
  "/checkpoint": "/checkpoint",
  "/tile/{rest}": "/tile/0/000.p/1",
  "/v1/consistency": "/v1/consistency?from=0&to=1",
  "/v1/checkpoints": "/v1/checkpoints?index=0",
  "/v1/agents": "/v1/agents?q=did:key",
  "/v1/agents/{did}": `/v1/agents/${bob.did}`,
  "/1.0/identifiers/{did}": `/1.0/identifiers/${bob.did}`,
  "/v1/score": `/v1/score?to=${bob.did}`,
  "/v1/explain": `/v1/explain?to=${bob.did}&threshold=0.5`,
  "/v1/feed": "/v1/feed?after=-1",
  "/v1/feed.json": "/v1/feed.json",
  "/v1/feed.sse": "/v1/feed.sse",
  "/v1/forks": "/v1/forks",
  "/.well-known/peerage-registry.json": "/.well-known/peerage-registry.json",
  "/openapi.json": "/openapi.json",
  "/healthz": "/healthz",
  "/readyz": "/readyz",
});

/** Routes that answer nothing with 200 here; others speak to them: witness-protocol, registry-notes, messages-registry. */
const elsewhere = [
  "/witness/add-checkpoint",
  "/witness/{hash}/checkpoint",
  "/v1/notes/{digest}",
  "/v1/messages",
  "/v1/messages/{id}",
  "/metrics",
];
const writes = ["/v1/statements", "/v1/forks"];

/** Answers are read to the end, but for the feed, which has none. */
async function read(response: Response): Promise<string> {
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) return response.text();
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return Buffer.from(value!).toString();
}

interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<string, { responses: Record<string, unknown>; parameters?: { name: string; in: string }[] }>
  >;
}

describe("the HTTP interface of a registry", () => {
  it("describes every route in its OpenAPI document, and serves every route that it describes", async () => {
    const document = (await registry.json("/openapi.json")) as OpenApi;
    expect(document.openapi).toBe("3.1.0");
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((m) => `${m} ${path}`),
    );
    const served = registry.registry.app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)(\{[^/]*\})?/g, "{$1}")}`);
    expect(described.sort()).toEqual(served.sort());
    expect(Object.keys(document.paths).sort()).toEqual([...Object.keys(examples()), ...elsewhere].sort());
    for (const [path, example] of Object.entries(examples())) {
      const response = await registry.get(example);
      expect(response.status, path).toBe(200);
      expect(response.headers.get("access-control-allow-origin"), path).toBe("*");
      const answers = document.paths[path]!["get"]!.responses as Record<string, { content: object }>;
      const type = response.headers.get("content-type")!.split(";")[0]!;
      expect(Object.keys(answers["200"]!.content), path).toContain(type);
      await read(response);
    }
  });

  it("A-LOG-09 A-DID-06 has no route that deletes but for notes and messages, or that alters or makes keys, and gives none away", async () => {
    const methods = new Set(registry.registry.app.routes.map(({ method, path }) => `${method} ${path}`));
    expect([...methods].filter((route) => !/^(GET|ALL) /.test(route))).toEqual([
      "POST /v1/statements",
      "PUT /v1/notes/:digest",
      "DELETE /v1/notes/:digest",
      "PUT /v1/messages/:id",
      "DELETE /v1/messages/:id",
      "POST /witness/add-checkpoint",
      "POST /v1/forks",
    ]);
    const answers = [];
    for (const [path, example] of Object.entries(examples())) {
      for (const method of ["PUT", "PATCH", "DELETE", ...(writes.includes(path) ? [] : ["POST"])]) {
        const response = await fetch(registry.url + example, { method });
        expect(response.status, `${method} ${path}`).toBe(405);
        expect(await response.json()).toMatchObject({ code: "ERR_REQUEST_INVALID" });
      }
      answers.push(await read(await registry.get(example)));
    }
    expect(answers.join("\n")).not.toMatch(/"[\w-]*(?:seed|private|secret)[\w-]*":|"d":|\bPRIVATE KEY\b/i);
    expect(registry.registry).not.toHaveProperty("keys");
  });

  it("A-LOG-09 writes nothing on GET", async () => {
    const before = await registry.json("/.well-known/peerage-registry.json");
    const head = await (await registry.get("/checkpoint")).text();
    for (const example of Object.values(examples())) await read(await registry.get(example));
    expect(await registry.json("/.well-known/peerage-registry.json")).toEqual(before);
    expect(await (await registry.get("/checkpoint")).text()).toBe(head);
  });

  it("A-LOG-09 answers 400 or 404 to SQL, paths and encodings where a DID, an id or a number belongs", async () => {
    const tricks = [
      "' OR 1=1 --",
      "1;DROP TABLE entry",
      "%00",
      "..%2f..%2fkeys%2flog.key",
      "%252e",
      "did:key:z6Mk",
      "😀",
      "-0",
      "1e3",
      "0x1",
    ];
    const places = [
      (t: string) => `/v1/agents/${t}`,
      (t: string) => `/1.0/identifiers/${t}`,
      (t: string) => `/v1/statements/${t}`,
      (t: string) => `/v1/statements?issuer=${t}`,
      (t: string) => `/v1/statements?kind=${t}`,
      (t: string) => `/v1/statements?after=${t}`,
      (t: string) => `/v1/agents?after=${t}`,
      (t: string) => `/v1/score?to=${t}`,
      (t: string) => `/v1/score?to=${bob.did}&scope=${t}`,
      (t: string) => `/v1/consistency?from=0&to=${t}`,
      (t: string) => `/tile/0/${t}`,
      (t: string) => `/tile/entries/${t}`,
      (t: string) => `/v1/feed.sse?after=${t}`,
    ];
    for (const place of places) {
      for (const trick of tricks) {
        const address = place(/^[\x20-\x7e]+$/.test(trick) && trick.includes("%") ? trick : encodeURIComponent(trick));
        const response = await registry.get(address);
        expect([400, 404], address).toContain(response.status);
        expect(response.headers.get("content-type"), address).toBe("application/problem+json");
        await response.body?.cancel();
      }
    }
    const q = await registry.json(`/v1/agents?q=${encodeURIComponent("' OR 1=1 --")}`);
    expect(q).toMatchObject({ agents: [], next: null });
    for (const bad of ["limit=0", "limit=201", "limit=ten", "after=1&after=2", "nonsense=1", "kind=Gossip"]) {
      expect((await registry.get(`/v1/statements?${bad}`)).status, bad).toBe(400);
    }
    expect((await registry.get("/v1/agents/did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj")).status).toBe(
      400,
    );
  });

  it("A-DID-01 refuses the identity point wherever a DID is asked for", async () => {
    const point = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";
    for (const path of [
      `/v1/agents/${point}`,
      `/1.0/identifiers/${point}`,
      `/v1/score?to=${point}`,
      `/v1/statements?issuer=${point}`,
    ]) {
      const response = await registry.get(path);
      expect(response.status, path).toBe(400);
      expect(await response.json()).toMatchObject({ code: "ERR_DID_INVALID" });
    }
  });

  it("A-LOG-10 refuses oversized and compressed bodies at the limit, while others are served", async () => {
    const large = "x".repeat(16 * 1024 + 1);
    const declared = await registry.post(large);
    expect(declared.status).toBe(413);
    expect(await declared.json()).toMatchObject({ code: "ERR_MESSAGE_TOO_LARGE" });
    const field = await registry.post(JSON.stringify({ note: "x".repeat(5_000) }));
    expect(await field.json()).toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    const compressed = await registry.post("{}", { "content-encoding": "gzip" });
    expect(compressed.status).toBe(400);

    const endless = request(`${registry.url}/v1/statements`, { method: "POST" });
    const refused = new Promise<number>((resolve, reject) => {
      endless.on("response", (response) => resolve(response.statusCode ?? 0));
      endless.on("error", reject);
    });
    endless.write("x".repeat(9 * 1024));
    const profile = await issueProfile(generateIdentity(), { role: "agent" });
    expect(await registry.publish(profile.bytes)).toMatchObject({ status: 201, state: "published" });
    endless.write("x".repeat(9 * 1024));
    expect(await refused).toBe(413);
    endless.destroy();
  });

  it("answers 304 to whoever has the answer of this checkpoint, and anew after the next", async () => {
    for (const path of ["/v1/agents", "/v1/statements", "/checkpoint", `/v1/score?to=${bob.did}`]) {
      const first = await registry.get(path);
      await first.text();
      const tag = first.headers.get("etag")!;
      const again = await registry.get(path, { "if-none-match": tag });
      expect(again.status, path).toBe(304);
      await registry.publish((await issueProfile(generateIdentity(), { role: "agent" })).bytes);
      const later = await registry.get(path, { "if-none-match": tag });
      expect(later.status, path).toBe(200);
      await later.text();
    }
  });

  it("pages by log index without gap or repetition, and filters by issuer, subject and kind", async () => {
    const { checkpoint } = (await registry.json("/v1/statements?limit=1")) as { checkpoint: { size: number } };
    const seen: number[] = [];
    for (let after: number | null = -1; after !== null;) {
      const page = (await registry.json(`/v1/statements?limit=2&after=${after}`)) as {
        statements: { index: number }[];
        next: number | null;
      };
      seen.push(...page.statements.map(({ index }) => index));
      after = page.next;
    }
    expect(seen).toEqual(Array.from({ length: checkpoint.size }, (_, i) => i));
    const of = async (query: string): Promise<string[]> =>
      ((await registry.json(`/v1/statements?${query}`)) as { statements: { id: string }[] }).statements.map(
        (s) => s.id,
      );
    expect(await of(`issuer=${alice.did}`)).toEqual([id]);
    expect(await of(`subject=${bob.did}&kind=Vouch`)).toEqual([id]);
    expect(await of(`subject=${bob.did}&kind=Revocation`)).toEqual([]);
    expect(await of(`issuer=${bob.did}`)).toEqual([]);
    const agents = (await registry.json("/v1/agents?limit=1")) as { agents: { did: string }[]; next: number };
    expect(agents).toMatchObject({ agents: [{ did: alice.did }], next: 1 });
    expect(await registry.json("/v1/agents?limit=1&after=1")).toMatchObject({ agents: [{ did: bob.did }] });
    expect(await registry.json(`/v1/agents?q=${bob.did.slice(-12)}`)).toMatchObject({ agents: [{ did: bob.did }] });
  });

  it("scores from its published roots by default, says unknown for a stranger, and names what it computed", async () => {
    const stranger = generateIdentity().did;
    expect(await registry.json(`/v1/score?to=${bob.did}`)).toMatchObject({
      from: [alice.did],
      status: "scored",
      score: 0.7,
      witnessed: false,
      provenance: { metric: "flow" },
    });
    expect(await registry.json(`/v1/score?to=${stranger}`)).toMatchObject({ status: "unknown", score: null });
    expect(await registry.json(`/v1/score?from=${stranger}&to=${bob.did}`)).toMatchObject({
      status: "unknown",
      score: null,
    });
    expect(await registry.json(`/v1/score?to=${bob.did}&scope=payments`)).toMatchObject({
      status: "unknown",
      score: null,
    });
    const explained = (await registry.json(`/v1/explain?to=${bob.did}`)) as {
      explanation: { contributions: { value: number }[] };
    };
    expect(explained).toMatchObject({ status: "scored", score: 0.7 });
    expect(explained.explanation.contributions.map(({ value }) => value)).toEqual([0.7]);
  });

  it("A-RATE-02 A-RATE-05 limits writes of one address where it is public, and reads never count", async () => {
    await using limited = await startRegistry({ writesPerMinute: 5, now: () => new Date(1_795_200_000_000) });
    for (let i = 0; i < 30; i++) expect((await limited.get("/checkpoint")).status).toBe(200);
    const statuses = [];
    for (let i = 0; i < 7; i++) statuses.push((await limited.post("{}")).status);
    expect(statuses).toEqual([422, 422, 422, 422, 422, 429, 429]);
    const last = await limited.post("{}");
    expect(await last.json()).toMatchObject({ code: "ERR_RATE_LIMITED" });
    expect(Number(last.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await limited.get("/v1/statements")).status).toBe(200);
  });
});
