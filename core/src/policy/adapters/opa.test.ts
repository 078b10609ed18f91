import { describe, expect, it } from "vitest";
import { startHostile, startOpa } from "../../../../test/_opa.ts";
import { completeInput } from "../complete-input.ts";
import { askAdapters, type AdapterAnswer } from "./adapter.ts";
import { MAX_OPA_ANSWER_BYTES, opaAdapter, type OpaOptions } from "./opa.ts";

interface Entry {
  readonly step: string;
  readonly agent: string;
  readonly result: string;
}
interface Input {
  readonly args?: { readonly amount?: number };
  readonly history?: readonly Entry[];
}

const fraud = "did:key:z6Mkhow21JWUi49xXiMVnHL18JjZf5dYMSmSwPoHfWU4VN5q" as const;
const pay = completeInput({ tool: "pay", args: { amount: 5 } });
const patient = { timeoutMs: 20_000 };

async function ask(url: string, input = pay, options: Partial<OpaOptions> = patient): Promise<AdapterAnswer> {
  const [answer] = await askAdapters(["opa"], { opa: opaAdapter({ url, ...options }) }, input, 30_000);
  return answer!;
}

describe("OPA over HTTP", () => {
  it("is asked with the document as `input`; `true`, or `allow: true` of a package, allows", async () => {
    await using opa = await startOpa({
      payments: {
        allow: ({ args }: Input) => (args?.amount ?? Infinity) < 10 || undefined,
        reasons: () => ["small enough"],
      },
    });
    expect(await ask(`${opa.url}/v1/data/payments/allow`)).toMatchObject({
      adapter: "opa",
      version: "opa /v1/data/payments/allow",
      allow: true,
      id: "00000000-0000-4000-8000-000000000001",
      answer: expect.stringMatching(/^sha256:/) as string,
    });
    expect(opa.seen).toEqual([pay]);
    expect(await ask(`${opa.url}/v1/data/payments`)).toMatchObject({ allow: true, reasons: ["small enough"] });
  });

  it("A-POL-09 denies where the rule is undefined, which OPA answers by 200 and {}", async () => {
    await using opa = await startOpa({ payments: { allow: ({ args }: Input) => args?.amount === 1 || undefined } });
    const url = `${opa.url}/v1/data/payments/allow`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ input: pay }) });
    const { result } = (await response.json()) as { result?: unknown };
    // Naive: the request succeeded, and nothing said no.
    expect(response.ok && result !== false).toBe(true);
    expect(await ask(url)).toMatchObject({ allow: false, reasons: ["the rule is undefined for this call"] });
    for (const path of ["payment/allow", "payments/alow", "payments"]) {
      expect(await ask(`${opa.url}/v1/data/${path}`), path).toMatchObject({ allow: false });
    }
  });

  it("A-POL-09 denies by anything that is truthy and is not `true`", async () => {
    const answers: readonly [unknown, boolean][] = [
      [true, true],
      [{ allow: true, deny: [] }, true],
      [{ allow: true, deny: false, helper: { x: 1 } }, true],
      [[], false],
      [{}, false],
      ["true", false],
      [1, false],
      [null, false],
      [{ allow: "true" }, false],
      [{ allow: [true] }, false],
      [{ allow: 1 }, false],
      [{ allow: true, deny: ["sanctioned"] }, false],
      [{ allow: true, deny: {} }, false],
      [{ allow: true, reasons: [], obligations: [{ redact: "iban" }] }, false],
      [[{ allow: true }], false],
    ];
    for (const [result, allow] of answers) {
      await using opa = await startOpa({ p: { r: () => result } });
      const answer = await ask(`${opa.url}/v1/data/p/r`);
      expect(answer.allow, JSON.stringify(result)).toBe(allow);
      // Naive: a result that is there and truthy.
      if (!allow && result !== null) expect(Boolean(result)).toBe(true);
    }
  });

  it("A-POL-09 denies where OPA is down, slow, redirects, errs, talks too long or talks nonsense", async () => {
    const yes = '{"result":true}';
    const hostile: Record<string, Parameters<typeof startHostile>[0]> = {
      "never answers": () => undefined,
      "begins and never ends": (_, response) => void response.writeHead(200).write('{"result":'),
      "drops the connection": (request) => request.socket.destroy(),
      "500 with a yes": (_, response) => void response.writeHead(500).end(yes),
      "201 with a yes": (_, response) => void response.writeHead(201).end(yes),
      "redirects to a yes": (request, response) =>
        request.url === "/yes" ? response.end(yes) : response.writeHead(307, { location: "/yes" }).end(),
      "too long": (_, response) =>
        void response.end(JSON.stringify({ result: true, pad: "x".repeat(MAX_OPA_ANSWER_BYTES) })),
      endless: (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(" ".repeat(16_384)));
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      },
      "no JSON": (_, response) => void response.end("<html>true</html>"),
      "two answers": (_, response) => void response.end('{"result":false,"result":true}'),
      "yes and then more": (_, response) => void response.end(`${yes} ${yes}`),
      nothing: (_, response) => void response.end(),
      "a bare yes": (_, response) => void response.end("true"),
      "result of the prototype": (_, response) => void response.end('{"__proto__":{"result":true}}'),
      "decided without input": (_, response) =>
        void response.end('{"result":true,"warning":{"code":"api_usage_warning"}}'),
    };
    for (const [name, answer] of Object.entries(hostile)) {
      await using server = await startHostile(answer);
      const isSlow = name === "never answers" || name === "begins and never ends";
      const verdict = await ask(`${server.url}/v1/data/p/allow`, pay, isSlow ? { timeoutMs: 50 } : patient);
      expect(verdict.allow, name).toBe(false);
      expect(verdict.reasons.join(), name).not.toBe("");
    }
    const gone = await startHostile(() => undefined);
    await gone[Symbol.asyncDispose]();
    expect(await ask(`${gone.url}/v1/data/p/allow`)).toMatchObject({ allow: false });
    await using right = await startHostile((_, response) => void response.end(yes));
    expect(await ask(`${right.url}/v1/data/p/allow`)).toMatchObject({ allow: true });
  });

  it("A-POL-09 Rego over all entries at once is met by two different ones; written over one entry it is not", async () => {
    const naive = ({ history = [] }: Input) =>
      (history.some((h) => h.step === "fraud_check") && history.some((h) => h.agent === fraud)) || undefined;
    const careful = ({ history = [] }: Input) =>
      history.some((h) => h.step === "fraud_check" && h.agent === fraud && h.result === "passed") || undefined;
    await using opa = await startOpa({ naive: { allow: naive }, careful: { allow: careful } });
    const combined = completeInput({
      tool: "pay",
      history: [
        { step: "fraud_check", result: "failed" },
        { step: "lunch", result: "passed", agent: fraud },
      ],
    });
    expect((await ask(`${opa.url}/v1/data/naive/allow`, combined)).allow).toBe(true);
    expect((await ask(`${opa.url}/v1/data/careful/allow`, combined)).allow).toBe(false);
    const right = completeInput({ tool: "pay", history: [{ step: "fraud_check", result: "passed", agent: fraud }] });
    expect((await ask(`${opa.url}/v1/data/careful/allow`, right)).allow).toBe(true);
  });

  it("A-POL-09 asks over https or on this machine only, and carries no password in a URL", () => {
    const at = (url: string, more: Partial<OpaOptions> = {}) => opaAdapter({ url, ...more });
    for (const url of [
      "http://127.0.0.1:8181/v1/data/a",
      "http://localhost:8181/v1/data/a/allow",
      "http://[::1]:8181/v1/data/a",
      "https://opa.example/v1/data/a",
      "https://opa.example/prefix/v1/data/a",
    ]) {
      expect(at(url).version, url).toContain("/v1/data/a");
    }
    for (const url of [
      "http://opa.example/v1/data/a",
      "http://127.0.0.1.opa.example/v1/data/a",
      "http://127.0.0.1@opa.example/v1/data/a",
      "https://me:secret@opa.example/v1/data/a",
      "https://opa.example/v1/data/",
      "https://opa.example/v1/query",
      "file:///v1/data/a",
      "v1/data/a",
    ]) {
      expect(() => at(url), url).toThrow(RangeError);
    }
    expect(at("http://opa/v1/data/a", { isLocal: true }).version).toBe("opa /v1/data/a");
  });
});
