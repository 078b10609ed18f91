import { request } from "node:http";

/** Something that answers on 127.0.0.1. */
interface Served {
  readonly url: string;
}

/** Length of an answer as a browser gets it, compressed. */
export function wireBytes({ url }: Served, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { accept: "text/html", "accept-encoding": "gzip, deflate, br" };
    request(url + path, { headers }, (answer) => {
      let bytes = 0;
      answer.on("data", (chunk: Buffer) => (bytes += chunk.length));
      answer.on("end", () => resolve(bytes));
      answer.on("error", reject);
    })
      .on("error", reject)
      .end();
  });
}

/** Bytes over the wire of a page with all it links, and the requests: what a first visit costs before anything is clicked. */
export async function firstLoad(at: Served, path: string): Promise<{ bytes: number; requests: number }> {
  const page = await (await fetch(at.url + path, { headers: { accept: "text/html" } })).text();
  const linked = [...page.matchAll(/(?:<link rel="(?:stylesheet|icon)" href|<script src)="([^"]+)"/g)].map(
    ([, address]) => address!,
  );
  let bytes = await wireBytes(at, path);
  for (const address of linked) bytes += await wireBytes(at, address);
  return { bytes, requests: 1 + linked.length };
}
