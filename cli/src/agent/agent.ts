import type { Server, Socket } from "node:net";
import { type Did, fromBase64url, type Identity, type KeyId, toBase64url } from "@peerage/core";
import { CliError } from "../errors.ts";
import { type IdentityFile, openIdentity } from "../files/identities.ts";
import { type Asked, classify } from "./kinds.ts";
import { listen } from "./listen.ts";
import { refusal, type Rules } from "./rules.ts";
import { checkPrivate } from "./socket.ts";
import { type Answer, readLine, request, type Request } from "./wire.ts";

/** An asker that says nothing is let go. */
const ASK_TIMEOUT_MS = 10_000;

export interface AgentOptions {
  readonly file: IdentityFile;
  readonly socket: string;
  readonly rules: Rules;
  /** The key is let go after so many seconds in which nothing was signed; undefined for never. */
  readonly idleSeconds: number | undefined;
  /** Asks a person; undefined where the rules alone decide. */
  readonly confirm: ((asked: Asked) => Promise<boolean>) | undefined;
  readonly onEvent: (event: AgentEvent) => void;
}

/** What happened at an agent. */
export type AgentEvent =
  | { readonly event: "signed"; readonly asked: Asked }
  | { readonly event: "refused"; readonly asked: Asked | undefined; readonly why: string }
  | { readonly event: "locked" | "unlocked" };

type Code = Extract<Answer, { ok: false }>["code"];

/** Holds one key and signs with it for whoever of this user asks, as far as the rules go. */
export class SigningAgent implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly did: Did;
  readonly #kid: KeyId;
  #key: Identity | undefined;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  #idle: NodeJS.Timeout | undefined;
  #opening: Promise<unknown> = Promise.resolve();
  #asking: Promise<unknown> = Promise.resolve();
  #signed = 0;
  #refused = 0;

  private constructor(options: AgentOptions, key: Identity) {
    this.#options = options;
    this.did = key.did;
    this.#kid = key.kid;
    this.#key = key;
  }

  /** Starts to listen with a key that is open. @throws {CliError} as `listen` */
  static async start(options: AgentOptions, key: Identity): Promise<SigningAgent> {
    const agent = new SigningAgent(options, key);
    agent.#server = await listen(options.socket, (socket) => void agent.#serve(socket));
    agent.#rest();
    return agent;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const line = await readLine(socket, ASK_TIMEOUT_MS);
    if (line === undefined) {
      socket.destroy();
      return;
    }
    // A person may take longer than a machine.
    socket.setTimeout(0);
    const said = await this.#answer(line).catch((error: unknown): Answer => {
      const known = error instanceof CliError && error.code === "ERR_KEY_LOCKED";
      return no(known ? "ERR_KEY_LOCKED" : "ERR_INTERNAL", known ? error.message : "the agent failed");
    });
    socket.end(`${JSON.stringify(said)}\n`, () => socket.destroy());
  }

  async #answer(line: string): Promise<Answer> {
    const asked = request.safeParse(jsonOf(line));
    if (!asked.success) return no("ERR_REQUEST_INVALID", "this is no request to a signing agent");
    // Modes that were loosened since let others connect: nothing is signed for anybody then.
    await checkPrivate(this.#options.socket);
    return this.#perform(asked.data);
  }

  async #perform(asked: Request): Promise<Answer> {
    switch (asked.op) {
      case "status":
        return this.#status();
      case "sign":
        return this.#sign(fromBase64url(asked.bytes));
      case "lock":
        this.#lock();
        return this.#status();
      case "unlock":
        await this.#unlock(asked.passphrase);
        return this.#status();
    }
  }

  #status(): Answer {
    const { rules, file } = this.#options;
    const status = {
      did: this.did,
      kid: this.#kid,
      locked: this.#key === undefined,
      sealed: file.locked,
      kinds: [...rules.kinds],
      audiences: rules.audiences ? [...rules.audiences] : null,
      signed: this.#signed,
      refused: this.#refused,
    };
    return { v: 1, ok: true, status };
  }

  async #sign(bytes: Uint8Array): Promise<Answer> {
    const asked = classify(bytes, { did: this.did, kid: this.#kid });
    const why = asked ? refusal(this.#options.rules, asked) : "this is nothing that an agent signs";
    if (!asked || why !== undefined) return this.#refuse(asked, why ?? "");
    if (!this.#holdsKey()) return no("ERR_KEY_LOCKED", "the agent is locked");
    if (!(await this.#isConfirmed(asked))) return this.#refuse(asked, "the person who was asked said no");
    // It may have been locked while somebody was asked.
    const signature = this.#key?.sign(bytes);
    if (!signature) return no("ERR_KEY_LOCKED", "the agent is locked");
    this.#signed++;
    this.#rest();
    this.#options.onEvent({ event: "signed", asked });
    return { v: 1, ok: true, signature: toBase64url(signature) };
  }

  #holdsKey(): boolean {
    return this.#key !== undefined;
  }

  #refuse(asked: Asked | undefined, why: string): Answer {
    this.#refused++;
    this.#options.onEvent({ event: "refused", asked, why });
    return no("ERR_POLICY_DENIED", why);
  }

  /** One question at a time: two on one terminal would be answered in the dark. */
  async #isConfirmed(asked: Asked): Promise<boolean> {
    const { confirm } = this.#options;
    if (!confirm) return true;
    const answered = this.#asking.then(() => confirm(asked));
    this.#asking = answered.catch(() => undefined);
    return answered;
  }

  #lock(): void {
    clearTimeout(this.#idle);
    if (!this.#key) return;
    this.#key = undefined;
    this.#options.onEvent({ event: "locked" });
  }

  /** One at a time: each takes 128 MiB for its passphrase. */
  async #unlock(passphrase: string | undefined): Promise<void> {
    const opened = this.#opening.then(async () => {
      if (this.#key) return;
      const key = await openIdentity(this.#options.file, () =>
        passphrase === undefined
          ? Promise.reject(new CliError("ERR_KEY_LOCKED", "the key needs its passphrase"))
          : Promise.resolve(passphrase),
      );
      if (key.did !== this.did || key.kid !== this.#kid)
        throw new CliError("ERR_KEY_LOCKED", "the key file holds another key by now: start the agent again");
      this.#key = key;
      this.#rest();
      this.#options.onEvent({ event: "unlocked" });
    });
    this.#opening = opened.catch(() => undefined);
    return opened;
  }

  #rest(): void {
    const { idleSeconds } = this.#options;
    clearTimeout(this.#idle);
    if (idleSeconds === undefined) return;
    this.#idle = setTimeout(() => this.#lock(), Math.min(idleSeconds * 1000, 2 ** 31 - 1));
    this.#idle.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#idle);
    this.#key = undefined;
    const server = this.#server;
    if (!server) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    // Closing takes the socket's file away as well.
    server.close(() => resolve(undefined));
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}

function no(code: Code, message: string): Answer {
  return { v: 1, ok: false, code, message: message.slice(0, 1_000) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
