import {
  canonicalize,
  isPeerageError,
  type JsonObject,
  type Note,
  noteDigest,
  parseJson,
  parseNote,
  PeerageError,
  unixSeconds,
  verifyNoteErasure,
} from "@peerage/core";
import { z } from "zod";
import { tokenOf } from "./authorization.ts";
import { readBody } from "./body.ts";
import { json } from "./answers.ts";
import { statementId as digest } from "./parameters.ts";
import { notFound, problem } from "./problem.ts";
import { type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const kept = z.object({ digest: z.string() });
const params = { digest };

/** Notes: what people read, named in the log by digest only, so that it can be erased. */
export function noteRoutes(service: Service): Route[] {
  return [
    route({
      method: "PUT",
      path: "/v1/notes/:digest",
      summary: "Hand in a note that a logged statement names",
      params,
      body: { type: "application/json", description: "The note, at most 2,048 bytes; its digest is in the address" },
      answers: {
        200: { description: "It is kept already", content: { "application/json": kept } },
        201: { description: "Kept", content: { "application/json": kept } },
        410: { description: "It was erased, and stays so" },
      },
      handle: async (c, { params: { digest } }) => {
        const note = readNote(await readBody(c));
        if (noteDigest(note) !== digest) {
          throw new PeerageError("ERR_NOTE_INVALID", "the note has another digest", { detail: "digest" });
        }
        if ((await service.notes.issuerOf(digest)) === undefined) throw notFound("no statement of this log names it");
        const stored = await service.notes.put(digest, canonicalize(note as unknown as JsonObject));
        c.header("Cache-Control", "no-store");
        return "erased" in stored ? gone(c) : json(c, { digest }, stored.fresh ? 201 : 200);
      },
    }),
    route({
      method: "GET",
      path: "/v1/notes/:digest",
      live: true,
      summary: "A note. Believe it only if it has the digest",
      params,
      answers: {
        200: { description: "The note", content: { "application/json": z.looseObject({ salt: z.string() }) } },
        410: { description: "It was erased" },
      },
      handle: async (c, { params: { digest } }) => {
        const note = await service.notes.get(digest);
        if (!note) throw notFound("no such note is kept here");
        if ("erased" in note) return gone(c);
        c.header("Content-Type", "application/json; charset=utf-8");
        // Erased ones must not live on in caches.
        c.header("Cache-Control", "no-cache");
        return c.body(note.body);
      },
    }),
    route({
      method: "DELETE",
      path: "/v1/notes/:digest",
      summary: "Erase a note for ever; `Authorization: Peerage <token>`, signed by whoever first named it",
      params,
      answers: { 204: { description: "It is gone; the statement stays" } },
      handle: async (c, { params: { digest } }) => {
        const { issuer, note, kid } = erasureOf(c, service);
        const { status, current } = service.published.view.keyState(issuer);
        if (note !== digest || issuer !== (await service.notes.issuerOf(digest)) || status !== "active") {
          return refuse(c, new PeerageError("ERR_PROOF_INVALID", "only the issuer that named the note may erase it"));
        }
        if (kid !== `${issuer}#${current}`) {
          return refuse(c, new PeerageError("ERR_KEY_SUPERSEDED", "the key does not stand behind the issuer now"));
        }
        await service.notes.erase(digest, unixSeconds(service.now()));
        c.header("Cache-Control", "no-store");
        return c.body(null, 204);
      },
    }),
  ];
}

function erasureOf(c: Ctx, { keys, published: { view } }: Service): ReturnType<typeof verifyNoteErasure> {
  try {
    return verifyNoteErasure(tokenOf(c), keys.origin, { keysOf: (did) => view.keysOf(did) });
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    throw new PeerageError("ERR_PROOF_INVALID", `the request to erase is not signed as it should be: ${error.message}`);
  }
}

function refuse(c: Ctx, error: PeerageError): Response {
  return problem(c, error, 403);
}

function gone(c: Ctx): Response {
  return problem(c, new PeerageError("ERR_NOT_FOUND", "the note was erased"), 410);
}

/** @throws {PeerageError} ERR_NOTE_INVALID */
function readNote(body: Uint8Array): Note {
  try {
    return parseNote(parseJson(body));
  } catch (cause) {
    if (!isPeerageError(cause) || cause.code === "ERR_NOTE_INVALID") throw cause;
    throw new PeerageError("ERR_NOTE_INVALID", "a note is strict JSON", { detail: "json", cause });
  }
}
