import { describe, expect, it } from "vitest";
import { Exchanges, HttpSessions } from "./http-sessions.ts";

const limits = { max: 12, maxPerOwner: 4, maxWithoutOwner: 3 };

describe("the sessions of an HTTP guard", () => {
  it("A-RATE-05 a flood of unsigned opens ends no session that somebody signed in, however idle", () => {
    const sessions = new HttpSessions(limits);
    sessions.open("alice", new Exchanges(), "did:alice");
    sessions.open("bob", new Exchanges(), undefined);
    sessions.own("bob", "did:bob");
    for (let i = 0; i < 1_000; i++) sessions.open(`flood-${i}`, new Exchanges(), undefined);
    expect(sessions.get("alice")).toBeDefined();
    expect(sessions.get("bob")).toBeDefined();
    expect(sessions.size).toBe(2 + limits.maxWithoutOwner);
    expect(sessions.get("flood-999")).toBeDefined();
  });

  it("A-RATE-05 who opens many loses its own oldest, under one name or under many", () => {
    const sessions = new HttpSessions(limits);
    sessions.open("alice", new Exchanges(), "did:alice");
    for (let i = 0; i < 100; i++) sessions.open(`one-${i}`, new Exchanges(), "did:mallory");
    expect(sessions.size).toBe(1 + limits.maxPerOwner);
    for (let i = 0; i < 100; i++) {
      for (let n = 0; n < 3; n++) sessions.open(`many-${i}-${n}`, new Exchanges(), `did:mallory-${i}`);
    }
    expect(sessions.get("alice")).toBeDefined();
    expect(sessions.size).toBe(limits.max);
  });

  it("keeps the requests of a session whose server opens it again, and hands out those of one that it closes", () => {
    const sessions = new HttpSessions(limits);
    const exchanges = new Exchanges();
    const record = { requestId: 1 } as never;
    exchanges.add(record);
    sessions.open("a", exchanges, undefined);
    expect(sessions.open("a", exchanges, "did:alice")).toEqual([]);
    expect(sessions.open("a", new Exchanges(), "did:alice")).toEqual([record]);
    expect(sessions.close("a")).toEqual([]);
    expect(sessions.get("a")).toBeUndefined();
    expect(sessions.size).toBe(0);
  });
});
