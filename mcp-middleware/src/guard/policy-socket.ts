import { request } from "node:http";
import { Readable } from "node:stream";

/**
 * A `fetch` that reaches a Unix socket whatever host the URL names, for an OPA beside the guard. One request, no redirect;
 * bodies are text.
 */
export function socketFetch(socketPath: string): typeof fetch {
  return (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { method = "GET", body, signal } = init;
    if (body !== undefined && body !== null && typeof body !== "string") throw new TypeError("bodies are text here");
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath,
          method,
          path: `${url.pathname}${url.search}`,
          headers: { ...Object.fromEntries(new Headers(init.headers)), host: url.host },
          ...(signal ? { signal } : {}),
        },
        (answer) => {
          const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array>;
          try {
            resolve(new Response(stream, { status: answer.statusCode ?? 0 }));
          } catch (error) {
            // A status that has no body; nothing that allows comes with one.
            answer.destroy();
            reject(error instanceof Error ? error : new Error("no answer"));
          }
        },
      );
      sent.once("error", reject);
      sent.end(body ?? undefined);
    });
  };
}
