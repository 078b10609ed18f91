import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import {
  type Digest,
  errorCodes,
  generateIdentity,
  HttpRegistryReader,
  issueVouch,
  type JsonObject,
  Network,
  PeerageError,
} from "@peerage/core";
import { expect, it } from "vitest";
import { runBridge, startHttpGuard } from "../../mcp-middleware/src/proxy/index.ts";
import { createCallSigner } from "../../mcp-middleware/src/sign/index.ts";
import { openMirror } from "../../registry/src/index.ts";
import { Home } from "../_cli.ts";
import { Random } from "../_fuzz-random.ts";
import { spoilingNetwork, type Spoil, spoils } from "../_fuzz-wire.ts";
import { scene } from "../_guard.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "../_registry.ts";
import { startWitnesses, vkeyOf } from "../_witnesses.ts";

const seed = Number(process.env["FAULT_SEED"] ?? Date.now() % 2 ** 31);
console.info(`faults: FAULT_SEED=${seed} repeats this run`);

async function grow(registry: TestRegistry, count: number): Promise<Digest[]> {
  const vouches = await Promise.all(
    Array.from({ length: count }, () =>
      issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 80 }),
    ),
  );
  const logged = await Promise.all(vouches.map(({ bytes }) => registry.registry.submit(bytes)));
  expect(await registry.registry.published(Math.max(...logged.map(({ index }) => index)))).toBe(true);
  return vouches.map(({ id }) => id);
}

/** A failure that a program can act upon; anything else is a defect. */
function coded(error: unknown): undefined {
  if (!(error instanceof PeerageError)) throw error;
  expect(errorCodes).toContain(error.code);
  expect(["ERR_INTERNAL", "ERR_LOG_FORKED", "ERR_STORE_CORRUPT"]).not.toContain(error.code);
}

it("a follower never believes what a bad network made of a log, and has all of it once the network is well", async () => {
  const random = new Random(seed, "follower");
  await using registry = await startRegistry();
  const ids = await grow(registry, 20);
  await using network = await spoilingNetwork(registry.url, random);
  const options = { url: network.url, timeoutMs: 5_000 };
  const follower = await Network.open({ reader: await HttpRegistryReader.connect(options) });
  for (let round = 0; round < 150; round++) {
    network.spoil = () => random.pick(spoils);
    network.drop();
    if (random.oneIn(2)) ids.push(...(await grow(registry, 1 + random.below(3))));
    const before = follower.view.size;
    await follower.refresh().catch(coded);
    expect(follower.view.size).toBeGreaterThanOrEqual(before);
    expect(follower.rejected).toEqual([]);
    // Whatever counts stands in the registry's own log, at that place.
    for (const id of ids.slice(0, follower.view.size))
      expect(follower.view.statement(id)?.index).toBe(registry.registry.view.statement(id)?.index);
    // A stranger that begins on such a network sees the log, or an error.
    if (round % 10 === 0)
      await HttpRegistryReader.connect(options)
        .then((reader) => Network.open({ reader }))
        .then((other) => expect(other.view.size).toBeLessThanOrEqual(ids.length))
        .catch(coded);
  }
  expect([...network.counts.keys()].toSorted()).toEqual([...spoils].toSorted());
  network.spoil = undefined;
  network.drop();
  // The look that finds its connection cut off may fail; the next one does not.
  await follower.refresh().catch(coded);
  await follower.refresh();
  expect(follower.view.size).toBe(ids.length);
});

it("a mirror copies a log through a bad network byte for byte, and goes on by itself", async () => {
  const random = new Random(seed, "mirror");
  await using registry = await startRegistry();
  await grow(registry, 300);
  await using network = await spoilingNetwork(registry.url, random);
  using folder = temporaryFolder();
  await using mirror = await openMirror({ url: network.url, dataDir: folder.path, followMs: 0 });
  for (let round = 0; round < 60; round++) {
    network.spoil = () => random.pick(spoils);
    network.drop();
    await grow(registry, 1 + random.below(5));
    await mirror.refresh().catch(coded);
    expect(mirror.rejected).toBe(0);
  }
  network.spoil = undefined;
  network.drop();
  // The look that finds its connection cut off may fail; the next one does not.
  await mirror.refresh().catch(coded);
  await mirror.refresh();
  const { size } = registry.registry.view;
  expect(mirror.checkpoint.size).toBe(size);
  for (const path of ["/tile/0/000", "/tile/entries/000"]) {
    const [copy, original] = await Promise.all(
      [mirror.app.request(mirror.path + path), registry.get(path)].map(async (response) =>
        Buffer.from(await (await response).arrayBuffer()),
      ),
    );
    expect(copy!.equals(original!), path).toBe(true);
  }
});

it("a registry whose witnesses are behind a bad network shows nothing without its quorum, and goes on when it is well", async () => {
  const random = new Random(seed, "witnesses");
  using folder = temporaryFolder();
  const first = await startRegistry({ dataDir: folder.path });
  const vkey = vkeyOf(first.registry.logKey);
  await first[Symbol.asyncDispose]();
  using witnesses = await startWitnesses(3, [vkey]);
  let isBad = true;
  const send: typeof fetch = async (input, init) => {
    const spoil = isBad ? random.below(4) : 0;
    if (spoil === 1) throw new TypeError("fetch failed");
    const answer = await witnesses.fetch(input, init);
    if (spoil === 0) return answer;
    const text = Buffer.from(await answer.arrayBuffer());
    const { status } = answer;
    if (spoil === 2) return new Response(text.subarray(0, random.below(text.length)), { status });
    if (text.length > 0) text[random.below(text.length)]! ^= 1 + random.below(255);
    return new Response(text, { status });
  };
  const quorum = { witnesses: witnesses.parties, threshold: 2, fetch: send };
  await using registry = await startRegistry({ dataDir: folder.path, witnesses: quorum });
  const policy = { witnesses: witnesses.parties.map(({ key }) => key), threshold: 2 };
  const acknowledged: Digest[] = [];
  for (let i = 0; i < 20; i++) {
    const vouch = await issueVouch(generateIdentity(), {
      subject: generateIdentity().did,
      scope: ["tools"],
      confidence: 1 + i,
    });
    await registry.registry
      .submit(vouch.bytes)
      .then(() => acknowledged.push(vouch.id))
      .catch(coded);
    // Either there is no head with its cosignatures yet, or it is shown with them.
    await HttpRegistryReader.connect({ url: registry.url, quorum: policy })
      .then((reader) => reader.checkpoint())
      .then(({ witnessed }) => expect(witnessed).toBe(true))
      .catch(coded);
  }
  isBad = false;
  const open = async (): Promise<Network> =>
    Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url, quorum: policy }) });
  const sizeNow = (): Promise<number> =>
    open()
      .then(({ view }) => view.size, coded)
      .then((size) => size ?? -1);
  await expect.poll(sizeNow, { timeout: 60_000, interval: 200 }).toBe(acknowledged.length);
  const { view } = await open();
  for (const id of acknowledged) expect(view.statement(id)).toBeDefined();
});

it("the command line says by a stable code that the network is bad, and what it said is published is", async () => {
  const random = new Random(seed, "cli");
  await using registry = await startRegistry();
  await using network = await spoilingNetwork(registry.url, random);
  await using home = await Home.make();
  expect((await home.call(["init", "me", "--registry", network.url])).code).toBe(0);
  // What a plain network says of the answer cannot be checked by anybody: TLS is for that. All else is.
  const fair = spoils.filter((one) => one !== "garbled-answer");
  let published = 0;
  for (let round = 0; round < 40; round++) {
    network.spoil = () => random.pick<Spoil>(fair);
    network.drop();
    const did = generateIdentity().did;
    const { code, stdout, stderr } = await home.call(["vouch", did, "--json"]);
    expect([0, 3, 6, 7], stdout + stderr).toContain(code);
    const said = JSON.parse(code === 0 || stdout !== "" ? stdout : stderr) as { error?: { code: string } };
    if (code !== 0) {
      expect(errorCodes, stdout + stderr).toContain(
        said.error?.code ?? (said as { data?: { error?: { code: string } } }).data?.error?.code,
      );
      continue;
    }
    published++;
    await expect.poll(() => registry.registry.view.agent(did)?.received.length, { timeout: 30_000 }).toBe(1);
  }
  network.spoil = undefined;
  network.drop();
  expect((await home.call(["vouch", generateIdentity().did])).code).toBe(0);
  expect(published).toBeGreaterThan(0);
});

it("A-CALL-08 between bridge and guard: no call runs twice or otherwise than it was signed, each has one answer", async () => {
  const random = new Random(seed, "bridge");
  const executed = new Map<number, number>();
  const upstream = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method !== "POST") return void response.writeHead(405).end();
      const message = JSON.parse(Buffer.concat(chunks).toString()) as {
        id?: number;
        method: string;
        params?: { arguments?: { n: number } };
      };
      if (message.id === undefined) return void response.writeHead(202).end();
      const n = message.params?.arguments?.n;
      if (message.method === "tools/call" && n !== undefined) executed.set(n, (executed.get(n) ?? 0) + 1);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { content: [{ type: "text", text: String(n) }] } }),
      );
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { guard, caller } = scene();
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`;
  await using proxy = await startHttpGuard({ guard, upstream: target, log: () => undefined, graceMs: 0 });
  await using network = await spoilingNetwork(proxy.url, random);
  // Callers sign for the address that they dial.
  guard.addAudience(network.url);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const signer = createCallSigner({ signer: caller, endpoint: { url: network.url }, audience: guard.did } as never);
  const bridge = runBridge({ url: network.url, signer, input, output, signals: false, log: () => undefined });
  const answers = new Map<unknown, JsonObject[]>();
  createInterface(output).on("line", (line) => {
    const message = JSON.parse(line) as JsonObject;
    answers.set(message["id"], [...(answers.get(message["id"]) ?? []), message]);
  });
  const sent: number[] = [];
  const send = async (n: number): Promise<JsonObject | undefined> => {
    sent.push(n);
    input.write(
      `${JSON.stringify({ jsonrpc: "2.0", id: n, method: "tools/call", params: { name: "echo", arguments: { n } } })}\n`,
    );
    await expect.poll(() => answers.get(n)?.length ?? 0, { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
    return answers.get(n)?.[0];
  };
  const fair = spoils.filter((one) => one !== "garbled-answer");
  let whole = 0;
  for (let n = 1; n <= 150; n++) {
    network.spoil = () => random.pick<Spoil>(fair);
    network.drop();
    const answer = await send(n);
    const text = JSON.stringify(answer);
    if (answer?.["result"] && text.includes(`"text":"${n}"`)) {
      whole++;
      expect(executed.get(n), `call ${n} was answered`).toBe(1);
    } else {
      expect(text).toMatch(/ERR_[A-Z_]+/);
    }
  }
  network.spoil = undefined;
  network.drop();
  // A connection that was dropped is found dead by the next call over it, and no call is sent twice to find out.
  const healed: string[] = [];
  while (healed.length < 5 && !healed.some((text) => text.includes('"result"')))
    healed.push(JSON.stringify(await send(1_000 + healed.length)));
  expect(healed.at(-1)).toContain(`"text":"${999 + healed.length}"`);
  expect(whole).toBeGreaterThan(10);
  for (const [n, times] of executed) {
    expect(sent, `${n} was never sent`).toContain(n);
    expect(times, `call ${n} ran ${times} times`).toBe(1);
  }
  for (const [id, all] of answers) expect(all, `answers to ${String(id)}`).toHaveLength(1);
  input.end();
  await bridge;
  upstream.closeAllConnections();
  upstream.close();
});
