import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  canonicalize,
  createNote,
  type Digest,
  generateIdentity,
  type Identity,
  issueProfile,
  issueVouch,
  type JsonObject,
  type Note,
  noteDigest,
  signCompactJws,
  signNoteErasure,
} from "@peerage/core";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";

const folder = temporaryFolder();
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry({ dataDir: folder.path });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const bytesOf = (note: Note): string => canonicalize(note as unknown as JsonObject);
const at = (note: Note): string => `${registry.url}/v1/notes/${noteDigest(note)}`;
const put = (note: Note, body: string = bytesOf(note)): Promise<Response> => fetch(at(note), { method: "PUT", body });
const erase = (note: Note, token?: string): Promise<Response> =>
  fetch(at(note), {
    method: "DELETE",
    ...(token === undefined ? {} : { headers: { authorization: `Peerage ${token}` } }),
  });
const request = (signer: Identity, note: Digest): Promise<string> =>
  signNoteErasure(signer, { audience: registry.registry.origin, note });

/** A note and a logged profile or vouch that names it. */
async function named(signer: Identity, text: string): Promise<{ note: Note; id: string }> {
  const note = createNote({ name: text, text });
  const { id } = await registry.publish(
    (await issueProfile(signer, { role: "agent", noteDigest: noteDigest(note) })).bytes,
  );
  return { note, id };
}

describe("notes beside the log", () => {
  it("are taken once a logged statement names them, and given back by their digest", async () => {
    const early = createNote({ name: "early" });
    expect((await put(early)).status).toBe(404);
    const { note } = await named(generateIdentity(), "amber-fox");
    expect((await put(note)).status).toBe(201);
    expect((await put(note)).status).toBe(200);
    const answer = await fetch(at(note));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const got = (await answer.json()) as Note;
    expect(noteDigest(got)).toBe(noteDigest(note));
    expect((await fetch(at(early))).status).toBe(404);
  });

  it("A-STMT-14 are refused under another digest, in another form, or over their size", async () => {
    const { note } = await named(generateIdentity(), "brown-owl");
    const other = createNote({ name: "brown-owl" });
    for (const body of [
      bytesOf(other),
      "{",
      `{"salt":"x"}`,
      bytesOf(note).replace("}", `,"x":1}`),
      "a".repeat(4_096),
    ]) {
      const answer = await put(note, body);
      expect(answer.status, body.slice(0, 40)).toBe(422);
      expect(await answer.json()).toMatchObject({ code: "ERR_NOTE_INVALID" });
    }
    expect((await put(note, "a".repeat(2 * 1024 * 1024)).catch(() => ({ status: 413 }))).status).toBe(413);
    expect((await put(note)).status).toBe(201);
  });

  it("are erased for ever by whoever named them, leave no byte behind, and the statement stands", async () => {
    const alice = generateIdentity();
    const { note, id } = await named(alice, "crimson-heron-with-a-long-name-to-be-found");
    await put(note);
    const traces = (): string[] =>
      readdirSync(folder.path)
        .filter((file) => file.startsWith("notes.db"))
        .filter((file) => readFileSync(join(folder.path, file)).includes("crimson-heron"));
    expect(traces()).not.toEqual([]);
    expect((await erase(note, await request(alice, noteDigest(note)))).status).toBe(204);
    expect(traces()).toEqual([]);
    for (let i = 0; i < 2; i++) {
      expect((await fetch(at(note))).status).toBe(410);
      expect((await put(note)).status).toBe(410);
      expect((await erase(note, await request(alice, noteDigest(note)))).status).toBe(204);
    }
    expect(await registry.json(`/v1/statements/${id}`)).toMatchObject({ id, revokedBy: [] });
  });

  it("A-STMT-14 are not erased by strangers, copies of the digest, other keys, registries or requests", async () => {
    const [alice, mallory] = [generateIdentity(), generateIdentity()];
    const { note } = await named(alice, "dusty-wren");
    const digest = noteDigest(note);
    await put(note);
    // Naming another's note later gives no power over it.
    await registry.publish(
      (await issueVouch(mallory, { subject: alice.did, scope: ["tools"], confidence: 9, noteDigest: digest })).bytes,
    );
    const forged = await request(alice, digest);
    const tokens = [
      undefined,
      "x",
      forged.replace(/(.)(.{20})$/, (_, found: string, rest: string) => `${found === "A" ? "B" : "A"}${rest}`),
      await request(mallory, digest),
      await request(alice, noteDigest(createNote({ name: "other" }))),
      await signNoteErasure(alice, { audience: "elsewhere.example", note: digest }),
      await signCompactJws(alice, "peerage-entry+jwt", { aud: registry.registry.origin, iss: alice.did, note: digest }),
      await signCompactJws(mallory, "peerage-note-erasure+jwt", {
        aud: registry.registry.origin,
        iss: alice.did,
        note: digest,
      }),
    ];
    for (const token of tokens) expect((await erase(note, token)).status, token).toBe(403);
    expect((await fetch(at(note))).status).toBe(200);
    expect((await erase(note, forged)).status).toBe(204);
  });

  it("stay kept and stay erased over a restart, and what the log grew by meanwhile is found", async () => {
    using own = temporaryFolder();
    const alice = generateIdentity();
    const [kept, erased] = [createNote({ name: "kept" }), createNote({ name: "gone" })];
    await using first = await startRegistry({ dataDir: own.path });
    for (const note of [kept, erased]) {
      await first.publish((await issueProfile(alice, { role: "agent", noteDigest: noteDigest(note) })).bytes);
      await fetch(`${first.url}/v1/notes/${noteDigest(note)}`, { method: "PUT", body: bytesOf(note) });
    }
    const token = await signNoteErasure(alice, { audience: first.registry.origin, note: noteDigest(erased) });
    const gone = await fetch(`${first.url}/v1/notes/${noteDigest(erased)}`, {
      method: "DELETE",
      headers: { authorization: `Peerage ${token}` },
    });
    expect(gone.status).toBe(204);
    await first[Symbol.asyncDispose]();
    await using second = await startRegistry({ dataDir: own.path });
    expect((await second.get(`/v1/notes/${noteDigest(kept)}`)).status).toBe(200);
    expect((await second.get(`/v1/notes/${noteDigest(erased)}`)).status).toBe(410);
    const later = createNote({ text: "later" });
    await second.publish((await issueProfile(alice, { role: "person", noteDigest: noteDigest(later) })).bytes);
    const body = bytesOf(later);
    expect((await fetch(`${second.url}/v1/notes/${noteDigest(later)}`, { method: "PUT", body })).status).toBe(201);
  });
});
