import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildProcess, spawn } from "node:child_process";
import { generateIdentity, type Identity, parseCallProof, signCall } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyBinding } from "../mcp-middleware/src/spiffe/binding.ts";
import { bindingAudience } from "../mcp-middleware/src/spiffe/binding-token.ts";
import { parseBundle } from "../mcp-middleware/src/spiffe/bundle.ts";
import { BundleStore } from "../mcp-middleware/src/spiffe/bundle-store.ts";
import { bindToken, bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { verifyJwtSvid } from "../mcp-middleware/src/spiffe/jwt-svid.ts";
import { WorkloadApi } from "../mcp-middleware/src/spiffe/workload-api.ts";
import { parseX509Identity, verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { closedPort } from "./_ports.ts";
import { detailOf } from "./_spiffe.ts";
import { until } from "./_workload-api.ts";

const onPath = (name: string): boolean => spawnSync(name, ["--version"]).error === undefined;
const hasServer = onPath("spire-server");
const hasAgent = hasServer && onPath("spire-agent");
if (!hasServer) console.warn("SKIPPED: spire-server not on PATH, SPIRE interoperability not exercised");
else if (!hasAgent) console.warn("SKIPPED: spire-agent not on PATH, its Workload API not exercised");

const ID = "spiffe://a.test/agent";

/** A SPIRE server of one trust domain, in memory and in a folder of its own. */
class Spire {
  readonly #folder = mkdtempSync(join(tmpdir(), "peerage-spire-"));
  readonly #children: ChildProcess[] = [];
  readonly #socket = join(this.#folder, "server.sock");
  readonly agentSocket: string = join(this.#folder, "agent.sock");
  readonly trustDomain: string;
  #port = 0;

  constructor(trustDomain: string) {
    this.trustDomain = trustDomain;
  }

  async start(): Promise<void> {
    this.#port = await closedPort();
    mkdirSync(join(this.#folder, "data"));
    const file = this.#write(
      "server.conf",
      `
server {
  bind_address = "127.0.0.1"
  bind_port = "${String(this.#port)}"
  socket_path = "${this.#socket}"
  trust_domain = "${this.trustDomain}"
  data_dir = "${this.#folder}/data"
  log_level = "ERROR"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${this.#folder}/data/store.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}`,
    );
    this.#children.push(spawn("spire-server", ["run", "-config", file], { stdio: "ignore" }));
    await until(() => spawnSync("spire-server", ["healthcheck", "-socketPath", this.#socket]).status === 0);
  }

  /** An agent that gives this user's processes an SVID which lives for a minute. */
  async startAgent(): Promise<void> {
    const parent = `spiffe://${this.trustDomain}/node`;
    const token = /Token: (\S+)/.exec(this.run("token", "generate", "-spiffeID", parent))?.[1] ?? "";
    const uid = `unix:uid:${String(process.getuid?.() ?? 0)}`;
    this.run("entry", "create", "-parentID", parent, "-spiffeID", ID, "-selector", uid, "-x509SVIDTTL", "60");
    const bundle = this.#write("bootstrap.pem", this.run("bundle", "show", "-format", "pem"));
    mkdirSync(join(this.#folder, "agent"));
    const file = this.#write(
      "agent.conf",
      `
agent {
  data_dir = "${this.#folder}/agent"
  log_level = "ERROR"
  server_address = "127.0.0.1"
  server_port = "${String(this.#port)}"
  socket_path = "${this.agentSocket}"
  trust_domain = "${this.trustDomain}"
  trust_bundle_path = "${bundle}"
  join_token = "${token}"
}
plugins {
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}`,
    );
    this.#children.push(spawn("spire-agent", ["run", "-config", file], { stdio: "ignore" }));
    await until(() => spawnSync("spire-agent", ["healthcheck", "-socketPath", this.agentSocket]).status === 0);
  }

  run(...args: string[]): string {
    return execFileSync("spire-server", [...args, "-socketPath", this.#socket]).toString();
  }

  mintX509(id: string): { certificates: string; key: string } {
    const folder = join(this.#folder, `minted-${String(Math.random())}`);
    mkdirSync(folder);
    this.run("x509", "mint", "-spiffeID", id, "-write", folder);
    return {
      certificates: readFileSync(join(folder, "svid.pem"), "utf8"),
      key: readFileSync(join(folder, "key.pem"), "utf8"),
    };
  }

  stop(): void {
    for (const child of this.#children) child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }
}

describe.skipIf(!hasServer)("a real SPIRE server", () => {
  const a = new Spire("a.test");
  const b = new Spire("b.test");
  const store = new BundleStore({ trustDomains: ["a.test", "b.test"] });
  const signer: Identity = generateIdentity();

  beforeAll(async () => {
    await Promise.all([a.start(), b.start()]);
    for (const spire of [a, b]) {
      store.set(spire.trustDomain, parseBundle(spire.run("bundle", "show", "-format", "spiffe")), new Date());
    }
  });
  afterAll(() => [a, b].forEach((spire) => spire.stop()));

  async function verdict(value: Parameters<typeof verifyBinding>[0]): Promise<string> {
    const token = await signCall(signer, { audience: "did:guard", message: { method: "ping" } });
    const context = { bundles: store, now: new Date(), proof: parseCallProof(token) };
    return detailOf(() => verifyBinding(value, context));
  }

  it("mints X.509-SVIDs that verify in their own domain and bind", async () => {
    for (const [spire, id] of [
      [a, ID],
      [b, "spiffe://b.test/agent"],
    ] as const) {
      const { certificates, key } = spire.mintX509(id);
      const identity = parseX509Identity(certificates, key);
      expect(verifyX509Svid(identity.chain, store, new Date()).spiffeId).toBe(id);
      expect(await verdict((await bindX509(signer, identity)).value)).toBe("accept");
    }
  });

  it("mints JWT-SVIDs that verify, and bind by the binding audience only", async () => {
    const mint = (audience: string): string => a.run("jwt", "mint", "-spiffeID", ID, "-audience", audience).trim();
    const audience = bindingAudience(signer.did);
    const token = mint(audience);
    expect(verifyJwtSvid(token, { bundles: store, audience, now: new Date() }).spiffeId).toBe(ID);
    expect(await verdict((await bindToken(signer, token)).value)).toBe("accept");
    const other = mint("https://api.example");
    expect(detailOf(() => verifyJwtSvid(other, { bundles: store, audience, now: new Date() }))).toBe("audience");
  });

  it.skipIf(!hasAgent)("delivers and rotates SVIDs through its agent", async () => {
    await a.startAgent();
    const api = new WorkloadApi({
      address: `unix://${a.agentSocket}`,
      store,
      trustDomains: ["a.test"],
      log: () => undefined,
    });
    await api.ready;
    let rotations = 0;
    api.onChange(() => rotations++);
    expect(api.current()).toMatchObject({ spiffeId: ID });
    await until(() => rotations >= 2);
    expect(verifyX509Svid(api.current()!.chain, store, new Date()).spiffeId).toBe(ID);
    api[Symbol.dispose]();
  });
});
