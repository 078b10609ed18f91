import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Random } from "./_fuzz-random.ts";

/** What happens to one connection. */
export const spoils = [
  /** Nothing. */
  "none",
  /** Closed before anything was answered. */
  "cut",
  /** Nothing passes, and after a while it is closed. */
  "silent",
  /** A few bytes at a time. */
  "slow",
  /** Reset somewhere in the answer. */
  "reset",
  /** A piece of the request comes twice. */
  "doubled-request",
  /** A piece of the answer comes twice. */
  "doubled-answer",
  /** Two pieces of the answer change places. */
  "reordered",
  /** A byte of the request is another. */
  "garbled-request",
  /** A byte of the answer is another. */
  "garbled-answer",
] as const;
export type Spoil = (typeof spoils)[number];

/** A network that spoils what passes between a client and a server, connection by connection. */
export interface SpoilingNetwork extends AsyncDisposable {
  /** As the server's own address, but through this network. */
  readonly url: string;
  /** Decides for each new connection; nothing is spoiled while it is unset. */
  spoil: (() => Spoil) | undefined;
  /** How many connections each kind has had. */
  readonly counts: Map<Spoil, number>;
  /** Ends all connections that are open, so that the next request makes a new one. */
  drop(): void;
}

const SILENCE_MS = 150;

/** Starts a network before a server on this machine. */
export async function spoilingNetwork(target: string, random: Random): Promise<SpoilingNetwork> {
  const { hostname, port, pathname } = new URL(target);
  const open = new Set<Socket>();
  const counts = new Map<Spoil, number>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on("error", () => undefined).once("close", () => open.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    const spoil = network.spoil?.() ?? "none";
    counts.set(spoil, (counts.get(spoil) ?? 0) + 1);
    if (spoil === "cut") client.once("data", () => client.destroy());
    if (spoil === "silent") setTimeout(() => client.destroy(), SILENCE_MS);
    if (spoil === "cut" || spoil === "silent") return;
    const upstream = connect(Number(port), hostname);
    keep(upstream);
    upstream.once("close", () => client.end());
    client.once("close", () => upstream.destroy());
    client.on("data", (chunk) => {
      upstream.write(changed(chunk, spoil === "garbled-request", random));
      if (spoil === "doubled-request") upstream.write(chunk);
    });
    let left = 1 + random.below(2_000);
    upstream.on("data", (chunk) => {
      if (spoil === "reset") {
        client.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) client.resetAndDestroy();
      } else if (spoil === "slow") {
        dribble(client, chunk);
      } else if (spoil === "reordered") {
        const half = chunk.length >> 1;
        client.write(Buffer.concat([chunk.subarray(half), chunk.subarray(0, half)]));
      } else {
        client.write(changed(chunk, spoil === "garbled-answer", random));
        if (spoil === "doubled-answer") client.write(chunk);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const own = (server.address() as AddressInfo).port;
  const network: SpoilingNetwork = {
    url: `http://127.0.0.1:${own}${pathname === "/" ? "" : pathname}`,
    spoil: undefined,
    counts,
    drop() {
      for (const socket of open) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      this.drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return network;
}

/** A byte of what comes is another. */
function changed(chunk: Buffer, isGarbled: boolean, random: Random): Buffer {
  if (!isGarbled) return chunk;
  const out = Buffer.from(chunk);
  const at = random.below(out.length);
  out[at] = out[at]! ^ (1 + random.below(255));
  return out;
}

function dribble(client: Socket, chunk: Buffer): void {
  const step = Math.max(1, chunk.length >> 4);
  for (let at = 0, n = 0; at < chunk.length; at += step, n++) {
    setTimeout(() => {
      if (!client.destroyed) client.write(chunk.subarray(at, at + step));
    }, 2 * n);
  }
}
