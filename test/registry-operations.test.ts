import { describe, expect, it } from "vitest";
import { generateIdentity, issueProfile, issueVouch } from "@peerage/core";
import { createLogger } from "../registry/src/index.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

/** A busy machine takes its time. */
const patient = { timeout: 60_000 };

/** A sample: name, labels, value. */
const LINE =
  /^([a-z_0-9]+)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? (-?[0-9.e+-]+|NaN|\+Inf)$/;

async function scrape(test: TestRegistry): Promise<Map<string, number>> {
  const response = await test.get("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const samples = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of (await response.text()).trimEnd().split("\n")) {
    const type = /^# TYPE (\S+) (gauge|counter|histogram)$/.exec(line)?.[1];
    if (type !== undefined) {
      expect(typed.has(type), line).toBe(false);
      typed.add(type);
    } else if (!line.startsWith("# HELP ")) {
      const [, name, labels = "", value] = LINE.exec(line) ?? expect.fail(line);
      expect(
        [...typed].some((known) => name!.startsWith(known)),
        line,
      ).toBe(true);
      samples.set(name! + labels, Number(value));
    }
  }
  return samples;
}

describe("operating a registry", () => {
  it("counts requests, statements, refusals and feeds for Prometheus, by pattern and never by address", async () => {
    await using test = await startRegistry();
    const { bytes } = await issueProfile(generateIdentity(), { role: "agent" });
    await test.publish(bytes);
    await (await test.post("{}")).text();
    await (await test.get("/v1/agents/did:key:nobody")).text();
    const feed = await test.get("/v1/feed.sse");
    const samples = await scrape(test);
    expect(Object.fromEntries(samples)).toMatchObject({
      'peerage_http_requests_total{method="POST",route="/v1/statements",status="201"}': 1,
      'peerage_http_requests_total{method="POST",route="/v1/statements",status="422"}': 1,
      'peerage_http_requests_total{method="GET",route="/v1/agents/:did",status="400"}': 1,
      'peerage_http_request_duration_seconds_count{kind="write"}': 2,
      'peerage_http_request_duration_seconds_bucket{kind="write",le="+Inf"}': 2,
      'peerage_statements_refused_total{code="ERR_STATEMENT_INVALID"}': 1,
      peerage_log_entries: 1,
      peerage_log_published_entries: 1,
      peerage_streams_open: 1,
      peerage_ready: 1,
    });
    expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    await feed.body!.cancel();
    await expect.poll(async () => (await scrape(test)).get("peerage_streams_open"), patient).toBe(0);
  });

  it("shows its metrics to this machine alone, unless told otherwise", async () => {
    await using test = await startRegistry();
    expect((await test.get("/metrics", { "x-forwarded-for": "203.0.113.1" })).status).toBe(404);
    await using open = await startRegistry({ publicMetrics: true });
    expect((await open.get("/metrics", { "x-forwarded-for": "203.0.113.1" })).status).toBe(200);
  });

  it("logs what happens as JSON lines or as text, and no address of a client", async () => {
    for (const format of ["json", "text"] as const) {
      const lines: string[] = [];
      const logger = createLogger({ format, level: "debug", write: (line) => lines.push(line) });
      await using test = await startRegistry({ logger });
      const { id } = await test.publish((await issueProfile(generateIdentity(), { role: "agent" })).bytes);
      await (await test.post("{}")).text();
      await (await test.get("/v1/agents?q=secret-question")).text();
      await expect.poll(() => lines.join(""), patient).toContain("/v1/agents");
      const text = lines.join("");
      expect(text).toContain(id);
      expect(text).not.toMatch(/127\.0\.0\.1|secret-question/);
      if (format === "json") {
        const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        expect(parsed).toContainEqual(
          expect.objectContaining({
            level: "info",
            msg: "answered",
            method: "POST",
            route: "/v1/statements",
            status: 422,
          }),
        );
        for (const { time } of parsed) expect(new Date(time as string).toISOString()).toBe(time);
      } else {
        expect(text).toMatch(/^\S+Z info {2}answered method=POST route=\/v1\/statements status=422 ms=\d+$/m);
      }
    }
  });

  it("writes a log line of its own for every event, whatever is in a text", () => {
    const lines: string[] = [];
    const logger = createLogger({ format: "text", write: (line) => lines.push(line) });
    logger.warn({ error: new Error("a\nb"), what: "x\n2026-01-01T00:00:00Z info forged" }, "hostile");
    expect(lines).toHaveLength(1);
    expect(lines[0]!.trimEnd()).not.toContain("\n");
  });

  it("stops in order: feeds end and say why, what was sent is answered and on disk, then nothing listens", async () => {
    const test = await startRegistry({ cadenceMs: 1_000 });
    const feed = await test.get("/v1/feed.sse");
    const events = feed.text();
    const vouches = await Promise.all(
      Array.from({ length: 20 }, () =>
        issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 9 }),
      ),
    );
    const answers = vouches.map(({ bytes }) => test.post(bytes, { prefer: "wait=15" }));
    await expect.poll(async () => (await scrape(test)).get("peerage_log_entries"), patient).toBe(20);
    test.registry.drain();
    const ready = await test.get("/readyz");
    expect(ready.status).toBe(503);
    expect((await test.get("/healthz")).status).toBe(200);
    expect(await events).toMatch(/event: closed\ndata: \{"reason":"shutting-down"\}/);
    await Promise.all([
      test[Symbol.asyncDispose](),
      ...answers.map(async (answer) => expect((await answer).status).toBe(201)),
    ]);
    await expect(test.get("/healthz")).rejects.toThrow();
  });
});
