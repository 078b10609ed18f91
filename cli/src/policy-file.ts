import { readFile, stat } from "node:fs/promises";
import { type Did, parsePolicy, type Policy } from "@peerage/core";
import { CliError, describeError } from "./errors.ts";
import { codeOf } from "./files/safe-file.ts";

/**
 * The policy in force, read from a file. It must be readable at the start; a later version that is not is told of, and the
 * one before stays in force.
 */
export class PolicyFile implements Disposable {
  readonly #path: string;
  readonly #members: { readonly me: readonly Did[]; readonly roots: readonly Did[] };
  readonly #alarm: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  #policy: Policy;
  #seen: number;

  private constructor(
    path: string,
    members: { readonly me: readonly Did[]; readonly roots: readonly Did[] },
    policy: Policy,
    seen: number,
    alarm: (text: string) => void,
  ) {
    this.#path = path;
    this.#members = members;
    this.#policy = policy;
    this.#seen = seen;
    this.#alarm = alarm;
    this.#timer = setInterval(() => void this.#look(), 1_000);
    this.#timer.unref();
  }

  /** @throws {CliError} ERR_NOT_FOUND. @throws {PeerageError} ERR_POLICY_INVALID names line, place and fix */
  static async open(
    path: string,
    members: { readonly me: readonly Did[]; readonly roots: readonly Did[] },
    alarm: (text: string) => void,
  ): Promise<PolicyFile> {
    let text: string;
    let seen: number;
    try {
      seen = (await stat(path)).mtimeMs;
      text = await readFile(path, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT")
        throw new CliError("ERR_POLICY_INVALID", `there is no policy at ${path}`, { hint: "--policy <file>" });
      throw error;
    }
    return new PolicyFile(path, members, parsePolicy(text, members), seen, alarm);
  }

  /** The policy that decides now. */
  get current(): Policy {
    return this.#policy;
  }

  async #look(): Promise<void> {
    try {
      const { mtimeMs } = await stat(this.#path);
      if (mtimeMs === this.#seen) return;
      this.#seen = mtimeMs;
      const next = parsePolicy(await readFile(this.#path, "utf8"), this.#members);
      if (next.digest === this.#policy.digest) return;
      this.#policy = next;
      this.#alarm(`policy ${next.digest.slice(0, 19)}… is in force now`);
    } catch (error) {
      this.#alarm(`the policy cannot be read, the one before stays in force: ${describeError(error).message}`);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
