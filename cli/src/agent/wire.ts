import type { Socket } from "node:net";
import { z } from "zod";

/** Longest line on the socket, in characters: a passphrase or 32 KiB of bytes in base64url fit. */
const MAX_LINE = 65_536;

const v = z.literal(1);

/** What is asked of a signing agent: one line of JSON, and one in answer. */
export const request: z.ZodType<Request> = z.discriminatedUnion("op", [
  z.strictObject({ v, op: z.literal("status") }),
  z.strictObject({ v, op: z.literal("sign"), bytes: z.base64url() }),
  z.strictObject({ v, op: z.literal("lock") }),
  z.strictObject({ v, op: z.literal("unlock"), passphrase: z.string().max(4_096).optional() }),
]);
export type Request =
  | { readonly v: 1; readonly op: "status" }
  | { readonly v: 1; readonly op: "sign"; readonly bytes: string }
  | { readonly v: 1; readonly op: "lock" }
  | { readonly v: 1; readonly op: "unlock"; readonly passphrase?: string | undefined };

/** What an agent says of itself. Nothing in it is secret. */
export interface Status {
  readonly did: string;
  readonly kid: string;
  readonly locked: boolean;
  /** True if the key file is sealed, so that opening it takes a passphrase. */
  readonly sealed: boolean;
  readonly kinds: readonly string[];
  /** Null for any. */
  readonly audiences: readonly string[] | null;
  readonly signed: number;
  readonly refused: number;
}

const status: z.ZodType<Status> = z.strictObject({
  did: z.string(),
  kid: z.string(),
  locked: z.boolean(),
  sealed: z.boolean(),
  kinds: z.array(z.string()),
  audiences: z.array(z.string()).nullable(),
  signed: z.int(),
  refused: z.int(),
});

/** The codes with which an agent says no. */
export const codes = ["ERR_POLICY_DENIED", "ERR_KEY_LOCKED", "ERR_REQUEST_INVALID", "ERR_INTERNAL"] as const;

export type Answer =
  | { readonly v: 1; readonly ok: true; readonly status?: Status | undefined; readonly signature?: string | undefined }
  | { readonly v: 1; readonly ok: false; readonly code: (typeof codes)[number]; readonly message: string };
export const answer: z.ZodType<Answer> = z.discriminatedUnion("ok", [
  z.strictObject({ v, ok: z.literal(true), status: status.optional(), signature: z.base64url().length(86).optional() }),
  z.strictObject({ v, ok: z.literal(false), code: z.enum(codes), message: z.string().max(1_000) }),
]);

/** The next line of a socket; undefined if it ends, is too long, or nothing comes. Never rejects. */
export function readLine(socket: Socket, timeoutMs: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let text = "";
  socket.setEncoding("utf8").setTimeout(timeoutMs);
  socket.on("data", (more: string) => {
    text += more;
    const end = text.indexOf("\n");
    if (end >= 0 && end <= MAX_LINE) resolve(text.slice(0, end));
    else if (end >= 0 || text.length > MAX_LINE) resolve(undefined);
    else return;
    socket.pause();
  });
  for (const event of ["end", "close", "error", "timeout"]) socket.on(event, () => resolve(undefined));
  return promise;
}
