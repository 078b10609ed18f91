import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { LruMap } from "@peerage/core";
import type { MiddlewareHandler } from "hono";

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);
/** Shorter answers are sent as they are. */
const LEAST_BYTES = 1024;

const compressible = /^(?:text\/(?!event-stream)|application\/(?:[a-z.+-]*json|[a-z]*\+?xml)|image\/svg\+xml)/;
const kept = new LruMap<string, Uint8Array<ArrayBuffer>>(64);

/** Compresses what the client can read: assets once and as far as it goes, everything else quickly. */
export const compress: MiddlewareHandler = async (c, next) => {
  await next();
  const { res } = c;
  if (res.body === null || res.headers.has("content-encoding")) return;
  if (!compressible.test(res.headers.get("content-type") ?? "")) return;
  res.headers.append("vary", "Accept-Encoding");
  const accepted = (c.req.header("accept-encoding") ?? "").toLowerCase();
  const encoding = /\bbr\b/.test(accepted) ? "br" : /\bgzip\b/.test(accepted) ? "gzip" : undefined;
  if (encoding === undefined || c.req.method === "HEAD") return;
  const plain = new Uint8Array(await res.arrayBuffer());
  const headers = new Headers(res.headers);
  let body: Uint8Array<ArrayBuffer> = plain;
  if (plain.length >= LEAST_BYTES) {
    const immutable = headers.get("cache-control")?.includes("immutable") ?? false;
    const key = `${encoding} ${c.req.path}`;
    const known = immutable ? kept.get(key) : undefined;
    body = known ?? (await encode(plain, encoding, immutable));
    if (immutable) kept.set(key, body);
    headers.set("content-encoding", encoding);
    headers.delete("content-length");
  }
  c.res = undefined;
  c.res = new Response(body, { status: res.status, headers });
};

async function encode(
  bytes: Uint8Array,
  encoding: "br" | "gzip",
  thoroughly: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  if (encoding === "gzip") return new Uint8Array(await zip(bytes));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: thoroughly ? 11 : 6,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return new Uint8Array(await brotli(bytes, { params }));
}
