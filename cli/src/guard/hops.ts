import { CALL_META, type JsonValue, member } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import type { Check } from "../commands/doctor.ts";
import { describeError } from "../errors.ts";
import { McpClient, type Reply } from "../mcp-client.ts";
import { serverUrl, signerFor } from "../mcp-signer.ts";
import { visible } from "../ui/visible.ts";

const TIMEOUT_SECONDS = 10;
/** A member of `_meta` that no hop knows. */
const CANARY = "dev.peerage.doctor/canary";

/** What arrived at the guard behind one URL. */
type Arrival =
  | { readonly kind: "proof" }
  | { readonly kind: "stripped"; readonly keys: readonly string[] }
  | { readonly kind: "unguarded" }
  | { readonly kind: "unreachable"; readonly why: string };

/**
 * Looks at the way to a guard: for each URL, the outermost first, whether the proof of a message arrives. It asks for the
 * list of tools, so nothing is executed. What strips `_meta` stands between the last URL at which it is lost
 * and the first one at which it is not.
 */
export async function checkHops(context: Context, urls: readonly string[], options: Options): Promise<Check[]> {
  const seen: { readonly url: string; readonly arrival: Arrival }[] = [];
  for (const url of urls) seen.push({ url, arrival: await arrivalAt(context, url, options) });
  return seen.map(({ url, arrival }, i): Check => {
    const name = "hop";
    const where = visible(url, 100);
    const next = seen[i + 1];
    switch (arrival.kind) {
      case "proof":
        return { name, state: "ok", text: `${where}: signed calls arrive with their proof` };
      case "unguarded":
        return { name, state: "warn", text: `${where}: no guard answers there, so nobody looks at proofs` };
      case "unreachable":
        return { name, state: "problem", text: `${where}: ${arrival.why}` };
      case "stripped": {
        const left =
          arrival.keys.length === 0 ? "nothing of _meta is left" : `left of _meta: ${arrival.keys.join(", ")}`;
        const culprit =
          next === undefined
            ? "something behind it strips the proof"
            : next.arrival.kind === "proof"
              ? `what stands between it and ${visible(next.url, 100)} strips the proof`
              : "the proof is lost further in";
        const fix = "let it pass _meta on; until then the bridge falls back to the header Peerage-Call by itself";
        return { name, state: "problem", text: `${where}: ${culprit}; ${visible(left, 200)}`, fix };
      }
    }
  });
}

async function arrivalAt(context: Context, url: string, options: Options): Promise<Arrival> {
  let client: McpClient | undefined;
  try {
    const endpoint = { url: serverUrl(url) };
    const { signer } = await signerFor(context, endpoint, options, () => undefined);
    client = new McpClient(endpoint, {
      signer,
      headers: {},
      env: context.io.env,
      cwd: context.io.cwd,
      // Its own fallback would hide what is looked for.
      keepProofInMeta: true,
      log: () => undefined,
    });
    const hello = await client.initialize(TIMEOUT_SECONDS);
    const extensions = member(member(hello, "capabilities"), "extensions");
    const reply = await client.request("tools/list", { _meta: { [CANARY]: 1 } }, TIMEOUT_SECONDS);
    return (
      arrivalOf(reply) ?? (member(extensions, CALL_META) === undefined ? { kind: "unguarded" } : { kind: "proof" })
    );
  } catch (error) {
    // Not waited for: a server that has not answered may never do.
    return { kind: "unreachable", why: visible(describeError(error).message, 200) };
  } finally {
    void client?.[Symbol.asyncDispose]();
  }
}

function arrivalOf(reply: Reply): Arrival | undefined {
  if (!("error" in reply)) return undefined;
  const data = member(reply.error, "data");
  if (member(data, "reason") !== "ERR_PROOF_MISSING") return undefined;
  const keys = member(data, "metaKeys");
  const names = Array.isArray(keys) ? (keys as readonly JsonValue[]).filter((key) => typeof key === "string") : [];
  return { kind: "stripped", keys: names };
}
