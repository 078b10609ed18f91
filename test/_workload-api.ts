import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type handleServerStreamingCall, type handleUnaryCall, loadPackageDefinition, Server, ServerCredentials, type ServerWritableStream, type ServiceDefinition, status } from "@grpc/grpc-js"; // prettier-ignore
import { fromJSON } from "@grpc/proto-loader";
import { workloadApiSchema } from "../mcp-middleware/src/spiffe/workload-api-schema.ts";
import type { X509Identity } from "../mcp-middleware/src/spiffe/x509-svid.ts";

type Stream = ServerWritableStream<object, object>;
type Method = "FetchX509SVID" | "FetchX509Bundles" | "FetchJWTBundles" | "FetchWITSVID" | "FetchWITBundles";

/**
 * A Workload API for tests: gRPC on a Unix socket, with the header guard of the specification. What it serves is set
 * by the test; each set goes to every open stream, as an agent's rotation does.
 */
export class TestAgent implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "peerage-agent-"));
  readonly #states = new Map<Method, object | "denied" | "unimplemented">();
  readonly #streams = new Map<Method, Set<Stream>>();
  /** Answers FetchJWTSVID. */
  jwtSvid: ((audience: readonly string[]) => object[]) | undefined;
  /** Calls that came without the header. */
  refused = 0;
  #server: Server | undefined;

  get path(): string {
    return join(this.#folder, "agent.sock");
  }

  get address(): string {
    return `unix://${this.path}`;
  }

  static async start(): Promise<TestAgent> {
    const agent = new TestAgent();
    await agent.start();
    return agent;
  }

  async start(): Promise<void> {
    const definition = loadPackageDefinition(fromJSON(workloadApiSchema, { keepCase: true, defaults: true }));
    const { service } = definition["SpiffeWorkloadAPI"] as unknown as { service: ServiceDefinition };
    const streaming =
      (method: Method): handleServerStreamingCall<object, object> =>
      (call) =>
        this.#serve(method, call);
    const unary: handleUnaryCall<{ audience: string[] }, object> = (call, callback) => {
      if (!this.#mayCall(call.metadata.get("workload.spiffe.io"))) {
        callback({ code: status.INVALID_ARGUMENT, details: "security header missing" });
        return;
      }
      if (this.jwtSvid) callback(null, { svids: this.jwtSvid(call.request.audience) });
      else callback({ code: status.PERMISSION_DENIED, details: "no identity issued" });
    };
    this.#server = new Server();
    this.#server.addService(service, {
      FetchX509SVID: streaming("FetchX509SVID"),
      FetchX509Bundles: streaming("FetchX509Bundles"),
      FetchJWTBundles: streaming("FetchJWTBundles"),
      FetchWITSVID: streaming("FetchWITSVID"),
      FetchWITBundles: streaming("FetchWITBundles"),
      FetchJWTSVID: unary,
    });
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(this.address, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  /** Sets what a stream serves, and tells every stream that is open. */
  set(method: Method, state: object | "denied" | "unimplemented"): void {
    this.#states.set(method, state);
    for (const stream of this.#streams.get(method) ?? []) this.#write(stream, state);
  }

  /** Sets X.509-SVIDs and bundles, with the trust domains by name. */
  setX509(
    identities: readonly (X509Identity & { readonly hint?: string })[],
    bundles: Readonly<Record<string, readonly Uint8Array[]>>,
  ): void {
    const byId = Object.entries(bundles).map(([name, certificates]) => [
      `spiffe://${name}`,
      Buffer.concat(certificates),
    ]);
    this.set("FetchX509Bundles", { bundles: Object.fromEntries(byId) });
    this.set("FetchX509SVID", {
      svids: identities.map(({ spiffeId, chain, privateKey, hint }) => ({
        spiffe_id: spiffeId,
        x509_svid: Buffer.concat(chain),
        x509_svid_key: privateKey.export({ format: "der", type: "pkcs8" }),
        hint: hint ?? "",
      })),
    });
  }

  /** The number of open streams of a method. */
  streams(method: Method): number {
    return this.#streams.get(method)?.size ?? 0;
  }

  /** Goes away without a word, as a killed agent does. */
  async stop(): Promise<void> {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#streams.clear();
    if (existsSync(this.path)) rmSync(this.path);
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #mayCall(header: readonly unknown[]): boolean {
    const isRight = header.length === 1 && header[0] === "true";
    if (!isRight) this.refused++;
    return isRight;
  }

  #serve(method: Method, stream: Stream): void {
    if (!this.#mayCall(stream.metadata.get("workload.spiffe.io"))) {
      stream.emit("error", { code: status.INVALID_ARGUMENT, details: "security header missing" });
      return;
    }
    const open = this.#streams.get(method) ?? new Set();
    this.#streams.set(method, open.add(stream));
    stream.on("cancelled", () => open.delete(stream));
    stream.on("close", () => open.delete(stream));
    const state = this.#states.get(method) ?? "unimplemented";
    this.#write(stream, state);
  }

  #write(stream: Stream, state: object | "denied" | "unimplemented"): void {
    if (state === "denied") stream.emit("error", { code: status.PERMISSION_DENIED, details: "no identity issued" });
    else if (state === "unimplemented") stream.emit("error", { code: status.UNIMPLEMENTED, details: "unknown" });
    else stream.write(state);
  }
}

/** Waits until something holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
