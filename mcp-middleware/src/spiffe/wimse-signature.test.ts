import { type JsonObject, parseJson, type Verified } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { detailOf } from "../../../test/_spiffe.ts";
import { vectorBytes, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { readJws } from "./jws.ts";
import { verifyRequestSignature, verifyResponseSignature } from "./wimse-signature.ts";
import { readConfirmation, wimseAlgorithms, type Wit } from "./wit-svid.ts";

interface Message {
  readonly first: string;
  readonly header: (name: string) => string | undefined;
  readonly body: Uint8Array;
}

function read(file: string): Message {
  const bytes = vectorBytes(`wimse/upstream/includes/${file}`);
  const text = bytes.toString("latin1").replaceAll("\r\n", "\n");
  const blank = text.indexOf("\n\n");
  const [first = "", ...lines] = (blank < 0 ? text : text.slice(0, blank)).trimEnd().split("\n");
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])); // prettier-ignore
  const body = blank < 0 ? "" : text.slice(blank + 2);
  return { first, header: (name) => headers.get(name), body: Buffer.from(body, "latin1") };
}

/** The WIT of a message, taken as given: its issuer's key is not published. */
function witOf({ header }: Message): Verified<Wit> {
  const token = header("workload-identity-token")!;
  const { sub, cnf, exp } = readJws(token).claims as { sub: string; cnf: JsonObject; exp: number };
  const confirmation = readConfirmation(cnf, wimseAlgorithms);
  return { token, subject: sub, confirmation, digest: "sha256:", expiresAt: exp } as unknown as Verified<Wit>;
}

describe.skipIf(!vectorsPresent)("WIMSE HTTP signatures", () => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each suite's own
  const cases: any[] = vectorsPresent ? vectorJson("wimse/expected.json").cases : [];
  const request = vectorsPresent ? read("sigs-request.txt") : undefined!;
  const response = vectorsPresent ? read("sigs-response.txt") : undefined!;
  const [method = "", target = ""] = vectorsPresent ? request.first.split(" ") : [];
  const audience = "https://svcb.example.com/gimme-ice-cream";

  it("gives each its stated verdict", () => {
    const signatures = cases.filter(({ id }) => id.startsWith("http-sig"));
    expect(signatures).toHaveLength(7);
    const spent: string[] = [];
    const spend = ({ jti }: { jti: string }): void => void spent.push(jti);
    for (const { id, now, verdict, reason, change, files, expect: stated } of signatures) {
      const at = new Date(now * 1000);
      const otherWit = String(change).startsWith("Workload-Identity-Token");
      const wit = witOf(otherWit || id.includes("response") ? response : request);
      const asked = { ...request, method, target: id === "http-sig-request-target" ? target.replace("vanilla", "chocolate") : target }; // prettier-ignore
      const own = otherWit
        ? {
            ...asked,
            header: (name: string) => (name === "workload-identity-token" ? wit.token : request.header(name)),
          }
        : asked;
      const nonce = id === "http-sig-response-other-request" ? "abcd9999" : "abcd1111";
      const status = id === "http-sig-response-status" ? 200 : 404;
      const run = (): void => {
        if (id.includes("response"))
          verifyResponseSignature({ ...response, status }, { request: own, nonce, wit, now: at });
        else verifyRequestSignature(own, { wit, audiences: new Set([audience]), now: at, spend });
      };
      const wanted = verdict === "accept" ? "accept" : String(reason);
      expect(`${String(id)} ${detailOf(run)}`).toBe(`${String(id)} ${wanted}`);
      if (verdict === "accept") expect(wit.subject).toBe(stated.sub);
      const jwk = files.find((file: string) => file.includes("jwk"));
      if (jwk === undefined) continue;
      const { x } = parseJson(vectorBytes(`wimse/upstream/includes/${String(jwk)}`)) as { x: string };
      expect(wit.confirmation.key.export({ format: "jwk" }).x).toBe(x);
    }
    expect(spent).toEqual(["abcd1111"]);
  });

  it("A-SPIFFE-05 refuses uncovered tokens and bodies, another audience, other tags and forms", () => {
    const wit = witOf(request);
    const now = new Date(1_785_155_800_000);
    const verdict = (
      more: Readonly<Record<string, string>> = {},
      body = new Uint8Array(),
      audiences = [audience],
    ): string =>
      detailOf(() =>
        verifyRequestSignature(
          { method, target, header: (name) => more[name] ?? request.header(name), body },
          { wit, audiences: new Set(audiences), now, spend: () => undefined },
        ),
      );
    expect(verdict()).toBe("accept");
    expect(verdict({ authorization: "Bearer x" })).toBe("uncovered");
    expect(verdict({}, Buffer.from("{}"))).toBe("uncovered");
    expect(verdict({ "content-digest": "sha-256=:AAAA:" })).toBe("content-digest");
    expect(verdict({}, new Uint8Array(), ["https://svcb.example.com/"])).toBe("audience");
    const input = request.header("signature-input")!;
    expect(verdict({ "signature-input": input.replace(' "workload-identity-token"', "") })).toBe("uncovered");
    expect(verdict({ "signature-input": input.replace("wimse-workload-to-workload", "other") })).toBe("tag");
    expect(verdict({ "signature-input": input.replace("abcd1111", "abcd2222") })).toBe("equation");
    expect(verdict({ "signature-input": `${input}, ${input}` })).toBe("signature-input");
    expect(verdict({ "signature-input": input.replace('"@method"', '"@method" "@method"') })).toBe("signature-input");
    expect(verdict({ "signature-input": input.replace('"@method"', '"@method";bs') })).toBe("signature-input");
    expect(verdict({ signature: request.header("signature")!.replace("wimse", "other") })).toBe("signature-input");
    expect(verdict({ "workload-identity-token": witOf(response).token })).toBe("wit");
  });
});
