import {
  type Did,
  type Digest,
  fromBase64,
  MAX_SEALED_BYTES,
  sha256Hex,
  type Signer,
  signDelivery,
  signInboxRequest,
} from "@peerage/core";
import { z } from "zod";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { type Answer, request } from "../http.ts";
import { digest } from "../schemas/common.ts";

/** Where messages are handed in and fetched, and as whom. */
export interface Post {
  readonly registry: string;
  /** The registry's own name: what is signed for it means nothing elsewhere. */
  readonly origin: string;
  readonly signer: Signer;
  readonly now: () => Date;
}

/** A message that waits at a registry. */
export interface Waiting {
  readonly id: Digest;
  /** Bytes of the sealed message. */
  readonly size: number;
  /** Unix seconds, by the registry's clock. */
  readonly received: number;
}

const waiting = z.object({ id: digest, size: z.int(), received: z.int() });
const list = z.object({ messages: z.array(waiting).max(10_000) });
const message = waiting.extend({ sealed: z.base64().max(Math.ceil(MAX_SEALED_BYTES / 3) * 4) });

/** The post office of the configured registry. */
export function postOf(context: Context, registry: string, origin: string, signer: Signer): Post {
  return { registry, origin, signer, now: context.io.now };
}

/** The name of a sealed message: the digest of its bytes. */
export function messageId(sealed: Uint8Array): Digest {
  return `sha256:${sha256Hex(sealed)}`;
}

/** Hands in a sealed message. @throws {CliError} ERR_REGISTRY_UNREACHABLE, ERR_RATE_LIMITED, or the registry's other code */
export async function deliver(post: Post, recipient: Did, sealed: Uint8Array): Promise<{ fresh: boolean }> {
  const { registry, origin, signer, now } = post;
  const id = messageId(sealed);
  const token = await signDelivery(signer, { audience: origin, recipient, message: id, now: now() });
  const { status } = await ask(registry, `/v1/messages/${id}`, {
    method: "PUT",
    body: sealed,
    type: "application/octet-stream",
    authorization: `Peerage ${token}`,
    seconds: 20,
  });
  return { fresh: status === 201 };
}

/** What waits for the signer, oldest first. @throws {CliError} as {@link deliver} */
export async function listWaiting(post: Post): Promise<readonly Waiting[]> {
  const { body } = await ask(post.registry, "/v1/messages", { authorization: await authorization(post, "list") });
  return parsed(post, list, body).messages as readonly Waiting[];
}

/** One message, its bytes checked against its name. @throws {CliError} as {@link deliver}; ERR_NOT_FOUND if it is gone */
export async function fetchWaiting(post: Post, id: Digest): Promise<Waiting & { readonly sealed: Uint8Array }> {
  const { body } = await ask(post.registry, `/v1/messages/${id}`, {
    authorization: await authorization(post, "fetch", id),
  });
  const answer = parsed(post, message, body);
  const sealed = fromBase64(answer.sealed);
  if (messageId(sealed) !== id) throw wrong(post);
  return { id, size: sealed.length, received: answer.received, sealed };
}

/** Erases a message at the registry; one that is gone already stays so. @throws {CliError} as {@link deliver} */
export async function eraseWaiting(post: Post, id: Digest): Promise<void> {
  const token = await authorization(post, "erase", id);
  try {
    await ask(post.registry, `/v1/messages/${id}`, { method: "DELETE", authorization: token });
  } catch (error) {
    if (!(error instanceof CliError && error.code === "ERR_NOT_FOUND")) throw error;
  }
}

async function authorization(post: Post, action: "list" | "fetch" | "erase", id?: Digest): Promise<string> {
  const { origin, signer, now } = post;
  const wanted = { audience: origin, action, now: now(), ...(id === undefined ? {} : { message: id }) };
  return `Peerage ${await signInboxRequest(signer, wanted)}`;
}

/** A registry that refuses a request has said no; nothing is wrong with what was signed. */
async function ask(registry: string, path: string, options: Parameters<typeof request>[2]): Promise<Answer> {
  try {
    return await request(registry, path, options);
  } catch (error) {
    if (!(error instanceof CliError && error.code.startsWith("ERR_PROOF_"))) throw error;
    const clock = error.code === "ERR_PROOF_EXPIRED" || error.code === "ERR_PROOF_NOT_YET_VALID";
    throw new CliError(error.code, error.message, {
      exit: 3,
      ...(clock ? { hint: "set the clock: peerage doctor" } : {}),
    });
  }
}

function parsed<T>(post: Post, schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (!result.success) throw wrong(post);
  return result.data;
}

function wrong({ registry }: Post): CliError {
  return new CliError("ERR_REGISTRY_RESPONSE", `${registry} sent something else than the message that was asked for`);
}
