import { readFileSync, statSync } from "node:fs";
import type { Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const reference = /\$\{(env|file):([^{}]{1,4096})\}/g;
const MAX_SECRET_BYTES = 65_536;
/** Headers that are a credential: their value is never written on a command line, which every user can read. */
const credential = /^(proxy-)?authorization$|cookie|api-?key|token|secret|password/;

/**
 * A text with references to secrets, such as `Bearer ${env:TOKEN}` or `${file:/run/secrets/token}`. A file is read again
 * when it changes, so a rotated secret is taken up without a restart. The secret is in no message, log or record.
 */
export class SecretText {
  readonly #text: string;
  readonly #env: Environment;
  readonly #files = new Map<string, { readonly stamp: string; readonly value: string }>();

  /** @throws {CliError} ERR_CONFIG_INVALID if a reference leads nowhere */
  constructor(text: string, env: Environment) {
    this.#text = text;
    this.#env = env;
    this.value();
  }

  /** The text with its secrets. @throws {CliError} ERR_CONFIG_INVALID */
  value(): string {
    return this.#text.replaceAll(reference, (_, kind: string, name: string) =>
      kind === "env" ? this.#variable(name) : this.#file(name),
    );
  }

  #variable(name: string): string {
    const value = this.#env[name];
    if (value === undefined || value === "") throw missing(`the environment has no ${visible(name, 100)}`);
    return oneLine(value, name);
  }

  #file(path: string): string {
    try {
      const { mtimeMs, size, ino } = statSync(path);
      if (size > MAX_SECRET_BYTES) throw missing(`${visible(path, 200)} is too long for a secret`);
      const stamp = `${ino} ${size} ${mtimeMs}`;
      const known = this.#files.get(path);
      if (known?.stamp === stamp) return known.value;
      const value = oneLine(readFileSync(path, "utf8").replace(/\r?\n$/, ""), path);
      this.#files.set(path, { stamp, value });
      return value;
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw missing(`${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
    }
  }
}

/** `--upstream-header`: headers of the guard's own for the server behind. @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID */
export function upstreamHeaders(options: Options, env: Environment): (() => Record<string, string>) | undefined {
  const lines = (options["upstreamHeader"] as string[] | undefined) ?? [];
  if (lines.length === 0) return undefined;
  const headers = lines.map((line) => {
    const match = /^([A-Za-z0-9-]{1,64}):[ \t]*([\x20-\x7e]{1,8192})$/.exec(line);
    if (!match?.[1] || match[2] === undefined)
      throw usage("--upstream-header is a line", "'Authorization: Bearer ${file:/run/secrets/token}'");
    const name = match[1].toLowerCase();
    if (/^(host|connection|content-|transfer-|mcp-|peerage-)/.test(name))
      throw usage(`the header ${name} is the guard's to set`);
    if (credential.test(name) && match[2].search(reference) < 0)
      throw usage(`a credential is not written on the command line: ${name}`, "${env:NAME} or ${file:path}");
    return [name, new SecretText(match[2], env)] as const;
  });
  return () => Object.fromEntries(headers.map(([name, text]) => [name, text.value()]));
}

/** `--child-env`: variables of the wrapped command. @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID */
export function childVariables(options: Options, env: Environment): Record<string, string> {
  const lines = (options["childEnv"] as string[] | undefined) ?? [];
  const variables = lines.map((line) => {
    const match = /^([A-Za-z_][A-Za-z0-9_]{0,127})=(.*)$/s.exec(line);
    if (!match?.[1] || match[2] === undefined) throw usage("--child-env is a variable", "API_KEY='${file:key.txt}'");
    if (/^PEERAGE_/i.test(match[1])) throw usage(`${match[1]} is Peerage's own, and never given to a command`);
    return [match[1], new SecretText(match[2], env).value()] as const;
  });
  return Object.fromEntries(variables);
}

function oneLine(value: string, where: string): string {
  if (/[\0\r\n]/.test(value)) throw missing(`the secret in ${visible(where, 200)} is more than one line`);
  return value;
}

function missing(what: string): CliError {
  return new CliError("ERR_CONFIG_INVALID", what);
}
