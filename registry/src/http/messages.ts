import {
  checkSealedForm,
  checkSigningKey,
  type Did,
  type Digest,
  type InboxAction,
  type KeyId,
  MAX_SEALED_BYTES,
  PeerageError,
  sha256Hex,
  toBase64,
  verifyDelivery,
  verifyInboxRequest,
} from "@peerage/core";
import { z } from "zod";
import { isKnownTo } from "../messages/known.ts";
import { tokenOf } from "./authorization.ts";
import { readBody } from "./body.ts";
import { json } from "./answers.ts";
import { statementId as digest } from "./parameters.ts";
import { notFound, problem } from "./problem.ts";
import { type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

const waiting = z.object({
  id: z.string(),
  size: z.int().describe("Bytes of the sealed message"),
  received: z.int().describe("Unix seconds, by this registry's clock"),
  expires: z.int(),
});
const params = { id: digest };
const signed = "`Authorization: Peerage <token>`, signed by";

/** Sealed messages: kept for their recipients, who alone can list, fetch, erase or read them. */
export function messageRoutes(service: Service): Route[] {
  return [
    route({
      method: "PUT",
      path: "/v1/messages/:id",
      summary: `Hand in a sealed message; ${signed} its sender, names the recipient`,
      params,
      body: {
        type: "application/octet-stream",
        description: "An age file for one X25519 recipient, at most 65,536 bytes; its digest is in the address",
      },
      answers: {
        200: { description: "It is kept already", content: { "application/json": z.object({ id: z.string() }) } },
        201: { description: "Kept", content: { "application/json": z.object({ id: z.string() }) } },
        410: { description: "It was erased, and is not taken again" },
      },
      handle: async (c, { params: { id } }) => {
        const asked = verifyDelivery(tokenOf(c), proofOptions(service));
        if (asked.message !== id)
          throw new PeerageError("ERR_PROOF_MISMATCH", "the request was signed for another message");
        checkKey(service, asked);
        checkRecipient(service, asked.recipient);
        const sealed = await readBody(c, MAX_SEALED_BYTES);
        checkSealedForm(sealed);
        if (id !== `sha256:${sha256Hex(sealed)}`)
          throw new PeerageError("ERR_SEALED_INVALID", "the message has another digest", { detail: "digest" });
        const { issuer: sender, recipient } = asked;
        const { view } = service.published;
        const isKnown = (): boolean => isKnownTo(view, recipient, sender, service.roots);
        const outcome = await service.messages.put({ id, recipient, sender, sealed, isKnown });
        c.header("Cache-Control", "no-store");
        return outcome === "erased" ? gone(c) : json(c, { id }, outcome === "kept" ? 201 : 200);
      },
    }),
    route({
      method: "GET",
      path: "/v1/messages",
      live: true,
      summary: `What waits for one recipient, oldest first; ${signed} it`,
      answers: {
        200: {
          description: "All of it",
          content: { "application/json": z.object({ messages: z.array(waiting) }) },
        },
      },
      handle: async (c) => {
        const { issuer } = inboxRequest(c, service, "list");
        c.header("Cache-Control", "no-store");
        return json(c, { messages: await service.messages.list(issuer) });
      },
    }),
    route({
      method: "GET",
      path: "/v1/messages/:id",
      live: true,
      summary: `A sealed message; ${signed} its recipient. It stays until it is erased`,
      params,
      answers: {
        200: {
          description: "The message",
          content: { "application/json": waiting.extend({ sealed: z.string().describe("base64") }) },
        },
        410: { description: "It was erased" },
      },
      handle: async (c, { params: { id } }) => {
        const { issuer } = inboxRequest(c, service, "fetch", id);
        const stored = await service.messages.get(issuer, id);
        if (!stored) throw nothing();
        c.header("Cache-Control", "no-store");
        return "erased" in stored ? gone(c) : json(c, { ...stored, sealed: toBase64(stored.sealed) });
      },
    }),
    route({
      method: "DELETE",
      path: "/v1/messages/:id",
      summary: `Erase a message that was fetched; ${signed} its recipient`,
      params,
      answers: { 204: { description: "It is gone" } },
      handle: async (c, { params: { id } }) => {
        const { issuer } = inboxRequest(c, service, "erase", id);
        if (!(await service.messages.erase(issuer, id))) throw nothing();
        c.header("Cache-Control", "no-store");
        return c.body(null, 204);
      },
    }),
  ];
}

/** The recipient who asks, by the key that stands behind it now. */
function inboxRequest(c: Ctx, service: Service, action: InboxAction, message?: Digest): { issuer: Did } {
  const asked = verifyInboxRequest(tokenOf(c), proofOptions(service));
  if (asked.action !== action || asked.message !== message)
    throw new PeerageError("ERR_PROOF_MISMATCH", "the request was signed for something else");
  checkKey(service, asked);
  return asked;
}

/** By what a request is judged. A log restored from an older backup takes a key that was stolen since for the current one. */
function proofOptions(service: Service): Parameters<typeof verifyDelivery>[1] {
  const why = service.notWritable();
  if (why !== undefined) throw new PeerageError("ERR_REGISTRY_BUSY", why);
  const { view } = service.published;
  return { audience: service.keys.origin, now: service.now(), keysOf: (did) => view.keysOf(did) };
}

/** Who asks has joined this registry, and signed with the key that stands behind it now. */
function checkKey({ published: { view } }: Service, { issuer, kid }: { issuer: Did; kid: KeyId }): void {
  if (!view.profileOf(issuer))
    throw new PeerageError("ERR_PROOF_INVALID", "who signed this has not joined this registry: it has no profile here");
  checkSigningKey(kid, view.keyState(issuer));
}

/** A message is kept for who can come and fetch it. */
function checkRecipient({ published: { view } }: Service, recipient: Did): void {
  if (!view.profileOf(recipient)) throw notFound("the recipient has not joined this registry");
  const { status, current } = view.keyState(recipient);
  checkSigningKey(`${recipient}#${current}`, { status, current });
}

/** The same whether there never was such a message or it is another's. */
function nothing(): PeerageError {
  return notFound("no such message waits here for you");
}

function gone(c: Ctx): Response {
  return problem(c, new PeerageError("ERR_NOT_FOUND", "the message was erased"), 410);
}
