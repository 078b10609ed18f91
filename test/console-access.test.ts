import { request } from "node:http";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { generateIdentity } from "@peerage/core";
import { pairingWords } from "@peerage/observatory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FilePairing } from "../cli/src/console/pairing.ts";
import { examplePolicy, logIn, startConsole, type TestConsole } from "./_console.ts";
import { startObservatory } from "./_observatory.ts";

let site: TestConsole;
let item: string;

beforeAll(async () => {
  site = await startConsole();
  const [human, fraud] = [generateIdentity(), generateIdentity()];
  const guard = await site.addGuard("search-server", examplePolicy([human.did], fraud.did));
  await guard.call(site.people["vivid-weaver"]!, "search", { query: "secret words" });
  item = "AAAAAAAAAAAAAAAAAAAAAA";
});
afterAll(async () => site[Symbol.asyncDispose]());

/** A request with headers that `fetch` would not send. */
function raw(
  path: string,
  headers: Record<string, string>,
  method = "GET",
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(site.url + path, { method, headers }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => (body += text));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe("the console's door", () => {
  it("A-WEB-04 shows nobody anything without a session: the same door for every address", async () => {
    const doors = new Set<string>();
    for (const path of ["/", "/calls", "/approvals", `/approvals/${item}`, "/policy", "/audit", "/no/such"]) {
      const answer = await fetch(site.url + path, { headers: { accept: "text/html" } });
      expect([path, answer.status]).toEqual([path, 401]);
      doors.add((await answer.text()).replaceAll(path, ""));
    }
    const [door = ""] = doors;
    expect(door).toContain("Let this browser in");
    for (const text of doors) expect(text).not.toMatch(/vivid|search-server|secret words|did:key/);
    for (const path of ["/index.json", "/calls.ndjson", "/live.sse", "/calls.json"]) {
      const answer = await fetch(site.url + path);
      expect([path, answer.status]).toEqual([path, 401]);
      expect(await answer.text()).not.toContain("did:key");
    }
    expect((await site.get("/index.json")).status).toBe(200);
    expect(JSON.stringify(await site.json("/index.json"))).toContain("did:key");
  });

  it("lets a browser in for a code once, by a cookie that no script reads and no other site sends", async () => {
    const code = await site.served.access.makeCode();
    const logInWith = (given: string, origin = site.url): Promise<Response> =>
      fetch(`${site.url}/login`, {
        method: "POST",
        body: new URLSearchParams({ code: given, to: "/calls" }),
        headers: { origin },
        redirect: "manual",
      });
    expect((await logInWith("AAAAAAAAAAAAAAAAAAAAAA")).status).toBe(401);
    expect((await logInWith(code, "http://foreign.example")).status).toBe(403);
    const answers = await Promise.all(Array.from({ length: 8 }, () => logInWith(code)));
    const [inside, ...more] = answers.filter(({ status }) => status === 303);
    expect(more).toEqual([]);
    expect(inside!.headers.get("location")).toBe("/calls");
    const cookie = inside!.headers.get("set-cookie")!;
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect((await logInWith(code)).status).toBe(401);
    // What is kept is a hash: whoever reads the files cannot come in by them.
    const session = cookie.split(";")[0]!.split("=")[1]!;
    for (const name of await readdir(join(site.state, "console"))) {
      const file = join(site.state, "console", name);
      expect((await stat(file)).mode & 0o077).toBe(0);
      expect(await readFile(file, "utf8")).not.toContain(session);
      expect(name).not.toContain(code);
    }
  });

  it("goes on only to its own pages after a login, and ends a session when asked", async () => {
    for (const to of ["https://foreign.example/", "//foreign.example", "/\\foreign.example", "javascript:alert(1)"]) {
      const body = new URLSearchParams({ code: await site.served.access.makeCode(), to });
      const headers = { origin: site.url };
      const answer = await fetch(`${site.url}/login`, { method: "POST", body, headers, redirect: "manual" });
      expect([to, answer.headers.get("location")]).toEqual([to, "/"]);
    }
    const cookie = await logIn(site.served);
    const headers = { cookie, origin: site.url };
    expect((await fetch(`${site.url}/calls.json`, { headers })).status).toBe(200);
    await fetch(`${site.url}/logout`, { method: "POST", headers, redirect: "manual" });
    expect((await fetch(`${site.url}/calls.json`, { headers })).status).toBe(401);
  });

  it("A-WEB-04 answers to its own name only: names bound anew to this machine get nothing, localhost is led to the one origin", async () => {
    const cookie = await site.cookie();
    const own = new URL(site.url);
    expect((await raw("/index.json", { host: own.host, cookie })).status).toBe(200);
    for (const host of [
      `rebound.example:${own.port}`,
      "rebound.example",
      `127.0.0.1:1`,
      `127.0.0.1.nip.example:${own.port}`,
    ]) {
      const answer = await raw("/index.json", { host, cookie });
      expect([host, answer.status]).toEqual([host, 421]);
      expect(answer.body).not.toContain("did:key");
    }
    const led = await raw("/approvals/x?y=1", { host: `localhost:${own.port}`, cookie });
    expect([led.status, led.headers["location"]]).toEqual([307, `${site.url}/approvals/x?y=1`]);
    expect((await raw("/logout", { host: `localhost:${own.port}`, cookie, origin: site.url }, "POST")).status).toBe(
      421,
    );
  });

  it("A-WEB-04 takes changes and reads from its own pages only, whatever cookie comes along", async () => {
    const cookie = await site.cookie();
    const own = new URL(site.url);
    const json = { "content-type": "application/json", cookie, host: own.host };
    const path = `/approvals/${item}`;
    expect((await raw(path, json, "POST")).status).toBe(403);
    expect((await raw(path, { ...json, origin: "null" }, "POST")).status).toBe(403);
    expect((await raw(path, { ...json, origin: "http://127.0.0.1:1" }, "POST")).status).toBe(403);
    expect((await raw(path, { ...json, origin: site.url, "sec-fetch-site": "cross-site" }, "POST")).status).toBe(403);
    // From its own page it is read, and is no answer.
    expect((await raw(path, { ...json, origin: site.url }, "POST")).status).toBe(400);
    const other = { host: own.host, cookie, "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" };
    expect((await raw("/index.json", other)).status).toBe(403);
    expect((await raw("/index.json", { ...other, "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  it("A-WEB-02 A-WEB-04 cannot be framed, cached or made to run or fetch anything of others", async () => {
    for (const path of ["/", "/calls", "/no/such", "/index.json"]) {
      const { headers } = await site.get(path);
      const policy = headers.get("content-security-policy")!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    }
    const page = await (await site.get("/")).text();
    expect(page).not.toMatch(/<style|<script(?! (?:type="module" )?src="\/assets\/)|style=|\son\w+=/);
  });

  it("takes one key for a pairing code, and makes nobody an approver by that", async () => {
    const pairing = new FilePairing(site.state);
    const code = await pairing.open();
    const [mine, other] = [generateIdentity().did, generateIdentity().did];
    const offer = async (word: string, did: string): Promise<number> => {
      const headers = { cookie: await site.cookie(), origin: site.url, "content-type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify({ did }) };
      return (await fetch(`${site.url}/pairing/${encodeURIComponent(word)}`, init)).status;
    };
    const state = async (): Promise<string> => (await site.json(`/pairing/${code}`)).state;
    expect(await offer("00000000", mine)).toBe(404);
    expect(await offer("../../keys", mine)).toBe(404);
    expect(await offer(code, "did:key:z6Mkno")).toBe(400);
    expect(await offer(code, mine)).toBe(200);
    // Whoever comes second, with another key, comes too late.
    expect(await offer(code, other)).toBe(404);
    expect(await pairing.offered(code)).toBe(mine);
    expect(await state()).toBe("waiting");
    expect(pairingWords(code, mine)).toHaveLength(6);
    expect(pairingWords(code, mine)).not.toEqual(pairingWords(code, other));
    await pairing.close(code, "refused");
    expect(await state()).toBe("refused");
    expect(await offer(code, other)).toBe(404);
  });

  it("A-WEB-04 U9 is another app than the public one, which has no such route", async () => {
    await using observatory = await startObservatory();
    for (const path of ["/calls", "/approvals", "/policy", "/audit", "/live.sse", "/calls.ndjson"]) {
      expect([path, (await observatory.get(path)).status]).toEqual([path, 404]);
    }
    expect(await observatory.text("/")).not.toMatch(/console/i);
  });
});
