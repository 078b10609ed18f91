import { type JsonObject, member } from "@peerage/core";
import type { RequestId } from "../proxy/json-rpc.ts";

/** Requests whose verdict takes time, for example because a person is asked: they can be cancelled meanwhile. */
export class Admitting {
  readonly #byConnection = new WeakMap<object, Map<RequestId, AbortController>>();

  /** Notes a request; what is returned ends that. */
  begin(connection: object, id: RequestId | undefined, abort: AbortController): () => void {
    if (id === undefined) return () => undefined;
    const known = this.#byConnection.get(connection) ?? new Map<RequestId, AbortController>();
    this.#byConnection.set(connection, known.set(id, abort));
    return () => {
      if (known.get(id) === abort) known.delete(id);
    };
  }

  /** True if this admitted `notifications/cancelled` was for a request that has not reached the server: it never will. */
  cancel(connection: object, message: JsonObject): boolean {
    const id = cancelledId(message);
    const abort = id === undefined ? undefined : this.#byConnection.get(connection)?.get(id);
    abort?.abort();
    return abort !== undefined;
  }

  /** Nobody waits for anything on this connection any more. */
  cancelAll(connection: object): void {
    for (const abort of this.#byConnection.get(connection)?.values() ?? []) abort.abort();
  }
}

/** The request that a `notifications/cancelled` names. */
export function cancelledId(message: JsonObject): RequestId | undefined {
  const id = member(message["params"], "requestId");
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}

/** A controller that aborts when this signal does. */
export function abortedBy(signal: AbortSignal): AbortController {
  const abort = new AbortController();
  if (signal.aborted) abort.abort();
  else signal.addEventListener("abort", () => abort.abort(), { once: true });
  return abort;
}
