import { generateIdentity, type Identity, type JsonObject, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { http, replyOf, scene, signed, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import type { GuardCore } from "./guard.ts";
import { Sessions } from "./sessions.ts";
import type { Context } from "./types.ts";

const session = (headers: Record<string, string> = {}): Context => http({ "mcp-session-id": "s-1", ...headers });

async function header(
  caller: Identity,
  guard: GuardCore,
  method: "http/get" | "http/delete" | "http/response",
  params: JsonObject,
): Promise<Record<string, string>> {
  return { "peerage-call": await signCall(caller, { audience: guard.did, message: { method, params } }) };
}

describe("a session", () => {
  it("A-SESS-01 is closed to another DID's calls and answers, and lives on for its owner", async () => {
    const { guard, caller: alice } = scene();
    const mallory = generateIdentity();
    const hello = await guard.admit(await signed(alice, guard.did, "initialize", {}), http());
    guard.openSession("s-1", http(), hello.admitted ? hello.caller : undefined);

    const intrusion = guard.admit(await signedEcho(mallory, guard.did), session());
    expect(await replyOf(intrusion)).toMatchObject({ error: { code: -31401, data: { reason: "ERR_SESSION_BOUND" } } });
    const answer: JsonObject = { jsonrpc: "2.0", id: 9, result: { action: "accept" } };
    const foreign = guard.admit(answer, session(await header(mallory, guard, "http/response", answer)));
    expect(await foreign).toMatchObject({ admitted: false, reason: "ERR_SESSION_BOUND", status: 400 });
    expect(await verdict(guard.admit(answer, session()))).toBe("ERR_PROOF_MISSING");
    const other = { ...answer, result: { action: "decline" } };
    expect(await verdict(guard.admit(other, session(await header(alice, guard, "http/response", answer))))).toBe(
      "ERR_PROOF_MISMATCH",
    );

    expect(await verdict(guard.admit(answer, session(await header(alice, guard, "http/response", answer))))).toBe(
      "admitted",
    );
    expect(await verdict(guard.admit(await signedEcho(alice, guard.did), session()))).toBe("admitted");
    expect(await verdict(guard.admit(await signedEcho(mallory, guard.did), http({ "mcp-session-id": "s-2" })))).toBe(
      "admitted",
    );
  });

  it("A-SESS-01 is closed to another DID's messages of the modern era too", async () => {
    const { guard, caller: alice } = scene();
    const modern = { meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };
    const pipe = stdio();
    const echo = { name: "echo", arguments: {} };
    expect(await verdict(guard.admit(await signed(alice, guard.did, "initialize", {}), pipe))).toBe("admitted");
    const intrusion = await signed(generateIdentity(), guard.did, "tools/call", echo, modern);
    expect(await verdict(guard.admit(intrusion, pipe))).toBe("ERR_SESSION_BOUND");
    const own = await signed(alice, guard.did, "tools/call", echo, modern);
    expect(await verdict(guard.admit(own, pipe))).toBe("admitted");
  });

  it("A-SESS-02 lets nobody but the caller cancel a running call, in a session or on a shared modern pipe", async () => {
    const { guard, caller: alice } = scene();
    const mallory = generateIdentity();
    const modern = { meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };
    const pipe = stdio();
    const running = await guard.admit(
      await signed(alice, guard.did, "tools/call", { name: "slow" }, { ...modern, id: 5 }),
      pipe,
    );
    const cancel = (who: Identity): Promise<JsonObject> =>
      signed(who, guard.did, "notifications/cancelled", { requestId: 5 }, modern);

    expect(await guard.admit(await cancel(mallory), pipe)).toEqual(
      expect.objectContaining({ admitted: false, reason: "ERR_SESSION_BOUND", status: 400 }),
    );
    const unsigned = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } };
    expect(await verdict(guard.admit(unsigned, pipe))).toBe("ERR_PROOF_MISSING");
    expect(await replyOf(guard.admit(unsigned, http()))).not.toHaveProperty("id");
    expect(await verdict(guard.admit(await cancel(alice), pipe))).toBe("admitted");
    expect(running.admitted).toBe(true);
  });

  it("A-SESS-03 has its stream and its end for its owner only: 400 without a proof, 404 with another's", async () => {
    const { guard, caller: alice } = scene();
    const mallory = generateIdentity();
    await guard.admit(await signedEcho(alice, guard.did), session());
    for (const method of ["http/get", "http/delete"] as const) {
      const synthetic = { method, params: { session: "s-1" } };
      expect(await guard.admitSynthetic(synthetic, session())).toMatchObject({
        status: 400,
        reply: { code: "ERR_PROOF_MISSING", status: 400 },
      });
      const foreign = session(await header(mallory, guard, method, synthetic.params));
      expect(await guard.admitSynthetic(synthetic, foreign)).toMatchObject({
        status: 404,
        reply: { code: "ERR_NOT_FOUND" },
      });
      const stapled = session(await header(alice, guard, method, { session: "s-2" }));
      expect(await verdict(guard.admitSynthetic(synthetic, stapled))).toBe("ERR_PROOF_MISMATCH");
    }
    const resume = { method: "http/get", params: { session: "s-1", lastEventId: "7" } } as const;
    const own = session(await header(alice, guard, "http/get", resume.params));
    expect(await verdict(guard.admitSynthetic(resume, own))).toBe("admitted");
    const end = { method: "http/delete", params: { session: "s-1" } } as const;
    expect(
      await verdict(guard.admitSynthetic(end, session(await header(alice, guard, "http/delete", end.params)))),
    ).toBe("admitted");
  });

  it("A-SESS-04 that began unsigned belongs to the first who signs, and then nothing unsigned passes", async () => {
    for (const context of [stdio(), session()]) {
      const { guard, caller: alice } = scene();
      const mallory = generateIdentity();
      const ping = (id: number): JsonObject => ({ jsonrpc: "2.0", id, method: "ping" });
      expect(await verdict(guard.admit({ jsonrpc: "2.0", id: "i", method: "initialize", params: {} }, context))).toBe(
        "admitted",
      );
      expect(await verdict(guard.admit(ping(101), context))).toBe("admitted");
      const race = await Promise.all(
        [alice, mallory].map(async (who) => {
          const message = await signedEcho(who, guard.did);
          return verdict(guard.admit(message, context));
        }),
      );
      expect(race.toSorted()).toEqual(["ERR_SESSION_BOUND", "admitted"]);
      expect(await verdict(guard.admit(ping(102), context))).toBe("ERR_PROOF_MISSING");
    }
  });

  it("is not bound by a refused message, nor by modern traffic", async () => {
    const { guard, caller: alice } = scene();
    const mallory = generateIdentity();
    const pipe = stdio();
    await guard.admit(await signedEcho(mallory, "did:key:another"), pipe);
    const modern = { meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };
    expect(await verdict(guard.admit(await signed(mallory, guard.did, "ping", {}, modern), pipe))).toBe("admitted");
    expect(await verdict(guard.admit(await signedEcho(alice, guard.did), pipe))).toBe("admitted");
  });

  it("over stdio answers the server's requests without a proof: the pipe is the binding", async () => {
    const { guard, caller } = scene();
    const pipe = stdio();
    await guard.admit(await signedEcho(caller, guard.did), pipe);
    expect(await verdict(guard.admit({ jsonrpc: "2.0", id: 3, result: {} }, pipe))).toBe("admitted");
  });
});

describe("limits", () => {
  it("bounds what runs at once for one DID, and gives places back", async () => {
    const { guard, caller } = scene();
    const pipe = stdio();
    const first = await guard.admit(await signedEcho(caller, guard.did), pipe);
    for (let i = 1; i < 256; i++)
      expect(await verdict(guard.admit(await signedEcho(caller, guard.did), stdio()))).toBe("admitted");
    const refused = await guard.admit(await signedEcho(caller, guard.did), pipe);
    expect(refused).toMatchObject({ reason: "ERR_RATE_LIMITED", reply: { result: { isError: true } } });
    expect(await verdict(guard.admit(await signedEcho(generateIdentity(), guard.did), stdio()))).toBe("admitted");
    if (first.admitted) guard.abandon(first.decision, "cancelled");
    expect(await verdict(guard.admit(await signedEcho(caller, guard.did), pipe))).toBe("admitted");
  });

  it("A-RATE-05 who holds too many sessions loses its own oldest one, and nobody else's", () => {
    const sessions = new Sessions();
    const at = (i: number) => new Date(Date.parse("2026-11-20T12:00:00Z") + i);
    const connection = sessions.connection({});
    const [hoarder, honest] = [generateIdentity().did, generateIdentity().did];
    sessions.bind(connection, "honest", honest, at(0));
    for (let i = 0; i < 1_025; i++) sessions.bind(connection, `s-${i}`, hoarder, at(1 + i));
    expect(sessions.owner(connection, "s-0", at(2_000))).toBeUndefined();
    expect(sessions.owner(connection, "s-1", at(2_000))).toBe(hoarder);
    expect(sessions.owner(connection, "s-1024", at(2_000))).toBe(hoarder);
    expect(sessions.owner(connection, "honest", at(2_000))).toBe(honest);
    sessions.end("s-1");
    expect(sessions.owner(connection, "s-1", at(2_000))).toBe(hoarder);
    expect(() => sessions.bind(connection, "s-2", honest, at(2_001))).toThrow(
      expect.objectContaining({ code: "ERR_SESSION_BOUND" }),
    );
  });

  it("A-RATE-05 a table full of strangers' sessions still has room for the next caller", () => {
    const sessions = new Sessions();
    const now = new Date();
    const connection = sessions.connection({});
    for (let n = 0; n < 64; n++) {
      const did = `did:key:z6Mk${n}` as const;
      for (let i = 0; i < 1_024; i++) sessions.bind(connection, `${n}-${i}`, did, now);
    }
    const { did } = generateIdentity();
    sessions.bind(connection, "next", did, now);
    expect(sessions.owner(connection, "next", now)).toBe(did);
  });
});
