import { BlockList, isIP } from "node:net";
import { getConnInfo } from "@hono/node-server/conninfo";
import { bindingsOf, type Ctx } from "./route.ts";

/**
 * Whose address a request counts for: `direct`, the peer of the connection; a list of trusted hops (addresses or CIDR
 * blocks), what they say of others; `unknown`, nobody's, as something unnamed stands in front and all would share one.
 */
export type Clients = "direct" | "unknown" | readonly string[];

/** Finds the address that a request came from. */
export class ClientAddresses {
  readonly #clients: Clients;
  readonly #hops = new BlockList();

  /** @throws {RangeError} if a hop is neither an address nor a CIDR block */
  constructor(clients: Clients) {
    this.#clients = clients;
    for (const hop of typeof clients === "string" ? [] : clients) {
      const [address = "", bits, ...more] = hop.split("/");
      const family = familyOf(address);
      const most = family === "ipv4" ? 32 : 128;
      const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
      if (!family || more.length > 0 || !(prefix <= most)) {
        throw new RangeError(`${hop} is no address and no block of addresses`);
      }
      this.#hops.addSubnet(address, prefix, family);
    }
  }

  /** False where nobody's address is known, so nothing can be counted by it. */
  get known(): boolean {
    return this.#clients !== "unknown";
  }

  /** Undefined for requests of this process, and where addresses are not known. */
  of(c: Ctx): string | undefined {
    if (!this.known || !bindingsOf(c).incoming) return undefined;
    const peer = plain(getConnInfo(c).remote.address ?? "");
    return this.#clients === "direct" ? peer : this.#behind(peer, c.req.header("x-forwarded-for"));
  }

  /**
   * Every hop adds, at the right, whom it heard from. So what trusted hops wrote is read from the right, up to the first
   * address that is none of them; what stands further left was written by that client, who may write anything.
   */
  #behind(peer: string, forwarded: string | undefined): string {
    const heard = (forwarded ?? "").split(",").map((part) => plain(part.trim()));
    let client = peer;
    while (this.#isHop(client)) {
      const next = heard.pop();
      if (next === undefined || familyOf(next) === undefined) return client;
      client = next;
    }
    return client;
  }

  #isHop(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#hops.check(address, family);
  }
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : undefined;
}

/** Without a port, brackets, or the IPv6 form of an IPv4 address. */
function plain(text: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}
