import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from "node:dns";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { networkReason } from "@peerage/core";
import { isLoopback } from "../files/config.ts";
import { visible } from "../ui/visible.ts";
import { isPublicAddress } from "./addresses.ts";

/** How far a read may go. */
export interface Reach {
  /**
   * `public`: the address is somebody else's choice, so the server must be on the public Internet, whatever its name
   * resolves to. `any`: the user typed it.
   */
  readonly addresses: "public" | "any";
  /** For everything together, redirects included: 10 s by default. */
  readonly timeoutMs?: number;
  /** How names are resolved; by default as the system does. */
  readonly lookup?: (hostname: string, options: { all: true }, done: LookupDone) => void;
}

type LookupDone = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/**
 * What stands at an address. `absent`: its server said so, or sent something else than a file. `unreachable`: nobody can
 * tell, now.
 */
export type Published =
  | { readonly state: "found"; readonly bytes: Uint8Array }
  | { readonly state: "absent"; readonly why: string }
  | { readonly state: "unreachable"; readonly why: string };

const MAX_REDIRECTS = 3;
const TIMEOUT_MS = 10_000;

/**
 * Reads one small file from the web: by https, or http on loopback; never from another host than the one that is named,
 * never more than `maxBytes`, never longer than the limit. Sends no cookie and nothing of the user's. Never throws for
 * what a server does.
 */
export async function readPublished(address: string, maxBytes: number, reach: Reach): Promise<Published> {
  const signal = AbortSignal.timeout(reach.timeoutMs ?? TIMEOUT_MS);
  let url = new URL(address);
  for (let hops = 0; ; hops++) {
    const refused = refusal(url, reach);
    if (refused !== undefined) return { state: "unreachable", why: refused };
    let answer: IncomingMessage;
    try {
      answer = await get(url, reach, signal);
    } catch (error) {
      return { state: "unreachable", why: reasonOf(error, signal) };
    }
    const { statusCode: status = 0, headers } = answer;
    if (status >= 300 && status < 400 && headers.location !== undefined) {
      answer.destroy();
      const next = URL.canParse(headers.location, url.href) ? new URL(headers.location, url) : undefined;
      // Who controls another host has said nothing here, and a redirect must not choose whom this machine asks.
      if (next?.origin !== url.origin)
        return { state: "absent", why: `it redirects to ${visible(next?.origin ?? "nowhere", 120)}: not followed` };
      if (hops === MAX_REDIRECTS) return { state: "unreachable", why: `it redirects more than ${MAX_REDIRECTS} times` };
      url = next;
      continue;
    }
    return readAnswer(answer, status, maxBytes, signal);
  }
}

function refusal(url: URL, { addresses }: Reach): string | undefined {
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    return "it is not reached by https";
  if (addresses === "any") return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // A literal address is never looked up, so it is judged here.
  if (isLoopback(url.hostname) || (isIP(host) !== 0 && !isPublicAddress(host))) return NOT_PUBLIC;
  return undefined;
}

const NOT_PUBLIC = "it is no public address, and is asked only if you name it yourself: peerage verify <url>";

function get(url: URL, reach: Reach, signal: AbortSignal): Promise<IncomingMessage> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const headers = { accept: "application/json, */*;q=0.1", "accept-encoding": "identity", "user-agent": "peerage" };
  return new Promise((resolve, reject) => {
    // A connection of its own: one that was opened before was judged for another name.
    const outgoing = send(url, { headers, signal, agent: false, lookup: lookupWithin(reach) }, resolve);
    outgoing.once("error", reject);
    outgoing.end();
  });
}

/** Judges the addresses that are then connected to, so that a name cannot resolve to something else in between. */
function lookupWithin({ addresses, lookup = dnsLookup }: Reach): LookupFunction {
  return (hostname: string, options: LookupOptions, done) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const [first] = error ? [] : found;
      if (!first) done(error ?? new Error(`${hostname} has no address`), []);
      // One address inside is enough: whoever mixes them is trying something.
      else if (addresses === "public" && !found.every(({ address }) => isPublicAddress(address)))
        done(new Error(NOT_PUBLIC), []);
      else if (options.all === true) done(null, found);
      else done(null, first.address, first.family);
    });
  };
}

async function readAnswer(
  answer: IncomingMessage,
  status: number,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Published> {
  if (status !== 200) {
    answer.destroy();
    if (status === 404 || status === 410) return { state: "absent", why: `there is no such file (${status})` };
    return { state: "unreachable", why: `its server answers ${status}` };
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer) {
      size += (chunk as Buffer).length;
      if (size > maxBytes) {
        answer.destroy();
        return { state: "absent", why: `what is there is larger than ${maxBytes} bytes` };
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    return { state: "unreachable", why: reasonOf(error, signal) };
  }
  return { state: "found", bytes: Buffer.concat(chunks) };
}

function reasonOf(error: unknown, { aborted }: AbortSignal): string {
  if (aborted) return "no answer in time";
  return networkReason(error);
}
