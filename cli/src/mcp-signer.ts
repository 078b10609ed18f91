import type { Agent } from "node:https";
import { join } from "node:path";
import { type Did, type MultibaseKey, Network, type Signer } from "@peerage/core";
import {
  type CallSigner,
  createCallSigner,
  type Endpoint,
  FilePinStore,
  FileReceiptStore,
  type ReceiptStore,
} from "@peerage/mcp-middleware";
import { checkedDid } from "./agents.ts";
import type { Context, Options } from "./context.ts";
import { usage } from "./errors.ts";
import { isLoopback } from "./files/config.ts";
import { presentedVouches } from "./presented.ts";
import { asksForSpiffe } from "./spiffe/switches.ts";
import { visible } from "./ui/visible.ts";

/** What signs for one server, with the user's pins and receipts. */
export interface ServerSigner extends AsyncDisposable {
  readonly signer: CallSigner;
  readonly identity: Signer;
  readonly receipts: ReceiptStore;
  /** The receipts that were kept since, in order, where there is a history to which they are added. */
  readonly received: readonly string[];
  /** The receipt that was verified and kept last. */
  readonly newest: string | undefined;
  readonly pins: FilePinStore;
  /** For connections by mutual TLS. */
  readonly agent: Agent | undefined;
}

/**
 * Makes the signer of this user's identity for a server.
 * @param entries a history to present, to which the receipts are added
 * @param unattended never asks for a passphrase: stdin is the client's
 */
export async function signerFor(
  context: Context,
  endpoint: Endpoint,
  options: Options,
  alarm: (text: string) => void,
  { entries, unattended = false }: { entries?: readonly string[] | undefined; unattended?: boolean } = {},
): Promise<ServerSigner> {
  const identity = await context.signer({ passphraseFile: options["passphraseFile"], unattended });
  const file = new FileReceiptStore(join(context.paths.data, "receipts.ndjson"));
  const received: string[] = [];
  let newest: string | undefined;
  const receipts: ReceiptStore = {
    append: (receipt) => {
      newest = receipt.token;
      // A proxy runs for months: what nobody will ask for is in the file only.
      if (entries !== undefined) received.push(receipt.token);
      file.append(receipt);
    },
    flush: () => file.flush(),
  };
  const pins = new FilePinStore(join(context.paths.data, "servers.json"));
  const server: Did | undefined = typeof options["audience"] === "string" ? checkedDid(options["audience"]) : undefined;
  const spiffe = asksForSpiffe(options)
    ? await (
        await import("./spiffe/calling.ts")
      ).spiffeCalling(context, options, { signer: identity, endpoint, log: alarm })
    : undefined;
  const signer = createCallSigner({
    signer: identity,
    endpoint,
    pins,
    receipts,
    now: context.io.now,
    binding: spiffe?.binding,
    vouches: await presentedVouches(context, options),
    keysOf: keysFromRegistry(context, await context.registry()),
    ...(server === undefined ? {} : { server }),
    ...(entries === undefined ? {} : { history: "chain" as const, entries }),
    onReport: ({ code, message }) => {
      alarm(`${code}: ${message}${code === "ERR_AUDIENCE_CHANGED" ? " To accept it, name it: --audience <did>" : ""}`);
    },
  });
  const close = async (): Promise<void> => {
    await signer.settled();
    await receipts.flush();
    await spiffe?.[Symbol.asyncDispose]();
  };
  return {
    signer,
    identity,
    receipts,
    received,
    get newest() {
      return newest;
    },
    pins,
    agent: spiffe?.agent,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Reads the log when a server signs by another key than the first of its DID; the next time only what is new of it. A key
 * that was lost is none: what it signs just now is not the server's.
 */
function keysFromRegistry(
  context: Context,
  url: string | undefined,
): ((did: Did) => Promise<readonly MultibaseKey[]>) | undefined {
  if (url === undefined) return undefined;
  let network: Network | undefined;
  return async (did) => {
    const { connect } = await import("./network.ts");
    if (network) await network.refresh();
    else network = await Network.open({ reader: await connect(context, url), now: context.io.now });
    const { view } = network;
    return view.keysOf(did).filter((key) => view.keyLostSince(did, key) === undefined);
  };
}

/** A server's URL: https, or http on loopback. @throws {CliError} ERR_USAGE */
export function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw usage(`${visible(text, 200)} is no server URL`, "a command stands after --");
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw usage(`${url.host} would be reached over plain HTTP`, "https, or a server on this machine");
  }
  return url;
}

/** The values of `--header`. Their contents are secrets and are never repeated in a message. */
export function headersOf(options: Options): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of (options["header"] as string[] | undefined) ?? []) {
    const match = /^([A-Za-z0-9-]{1,64}):\s*([\x20-\x7e]{1,8192})$/.exec(line);
    if (!match?.[1] || match[2] === undefined) throw usage('--header is a line such as "Authorization: Bearer …"');
    headers[match[1].toLowerCase()] = match[2];
  }
  return headers;
}
