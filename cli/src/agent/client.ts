import { connect } from "node:net";
import {
  type Did,
  fromBase64url,
  type KeyId,
  type MultibaseKey,
  parseDid,
  parseMultibaseKey,
  type Signer,
  toBase64url,
  verifySignature,
} from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import type { IdentityFile } from "../files/identities.ts";
import { visible } from "../ui/visible.ts";
import { checkPrivate, checkSocketPath, unreachable } from "./socket.ts";
import { type Answer, answer, readLine, type Request, type Status } from "./wire.ts";

/** A person may be asked before the answer comes. */
const TIMEOUT_MS = 180_000;

/**
 * The signer behind an agent's socket. Where the identity that is meant has its key file here, the agent must hold that key.
 * @throws {CliError} as {@link AgentSigner.open}
 */
export async function signerAt(context: Context, socket: string): Promise<Signer> {
  return AgentSigner.open(checkSocketPath(socket), await context.identityFile());
}

/** The identity that an agent holds, for a machine or process that has no key file of it. @throws {CliError} as {@link ask} */
export async function identityAt(socket: string, name: string): Promise<IdentityFile> {
  const { did, kid } = await AgentSigner.open(checkSocketPath(socket));
  const key = kid.slice(did.length + 1) as MultibaseKey;
  return { name, path: socket, did, key, locked: true };
}

/**
 * Asks an agent one thing over a connection of its own.
 * @throws {CliError} ERR_UPSTREAM_UNAVAILABLE, ERR_KEY_FILE_UNSAFE, or the agent's own no
 */
export async function ask(path: string, request: Request): Promise<Extract<Answer, { ok: true }>> {
  await checkPrivate(path);
  const socket = connect({ path });
  try {
    const line = readLine(socket, TIMEOUT_MS);
    socket.write(`${JSON.stringify(request)}\n`);
    const text = await line;
    if (text === undefined) throw unreachable(path);
    const said = answer.safeParse(jsonOf(text));
    if (!said.success) throw new CliError("ERR_UPSTREAM_UNAVAILABLE", `what answers at ${path} is no signing agent`);
    if (said.data.ok) return said.data;
    const { code, message } = said.data;
    const hint = code === "ERR_KEY_LOCKED" ? "peerage agent unlock" : "peerage agent status";
    throw new CliError(code, visible(message, 300), { hint });
  } finally {
    socket.destroy();
  }
}

/** What an agent says of itself. @throws {CliError} as {@link ask} */
export async function statusOf(path: string): Promise<Status> {
  const { status } = await ask(path, { v: 1, op: "status" });
  if (!status) throw new CliError("ERR_UPSTREAM_UNAVAILABLE", `what answers at ${path} is no signing agent`);
  return status;
}

/** Signs through an agent: the key stays there. */
export class AgentSigner implements Signer {
  readonly did: Did;
  readonly kid: KeyId;
  readonly #path: string;

  private constructor(path: string, did: Did, kid: KeyId) {
    this.#path = path;
    this.did = did;
    this.kid = kid;
  }

  /** @param meant the identity that must be the agent's; any if undefined @throws {CliError} as {@link ask}, ERR_CONFIG_INVALID */
  static async open(path: string, meant?: { name: string; did: Did; key: MultibaseKey }): Promise<AgentSigner> {
    const status = await statusOf(path);
    const did = parseDid(status.did);
    const fragment = status.kid.slice(did.length + 1);
    parseMultibaseKey(fragment);
    const kid: KeyId = `${did}#${fragment as MultibaseKey}`;
    if (status.kid !== kid)
      throw new CliError("ERR_UPSTREAM_UNAVAILABLE", `what answers at ${path} is no signing agent`);
    if (meant && meant.did !== did)
      throw new CliError("ERR_CONFIG_INVALID", `the agent at ${path} does not sign as ${meant.name}`, {
        hint: "peerage agent status",
      });
    if (meant && kid !== `${did}#${meant.key}`)
      throw new CliError("ERR_CONFIG_INVALID", `the agent at ${path} holds another key of ${meant.name}`, {
        hint: `start it again: peerage agent --identity ${meant.name}`,
      });
    return new AgentSigner(path, did, kid);
  }

  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    const { signature } = await ask(this.#path, { v: 1, op: "sign", bytes: toBase64url(bytes) });
    const made = signature === undefined ? undefined : fromBase64url(signature);
    const key = parseMultibaseKey(this.kid.slice(this.did.length + 1));
    if (!made || !verifySignature(key, bytes, made))
      throw new CliError("ERR_UPSTREAM_UNAVAILABLE", "the signing agent gave a signature that does not hold");
    return made;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
