import type { Did, Signer } from "@peerage/core";
import { CliError, usage } from "./errors.ts";
import type { SettingKey, Settings } from "./files/config.ts";
import type { IdentityFile } from "./files/identities.ts";
import { type Paths, pathsFor } from "./files/paths.ts";
import { Terminal } from "./ui/terminal.ts";

/** What the process gives to the command line; a test gives its own. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly now: () => Date;
}

/** The flags that every command knows. */
export interface Globals {
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly registry?: string;
  readonly identity?: string;
  readonly as?: string;
  /** False after `--no-input`. */
  readonly input?: boolean;
  readonly yes?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Values of a command's own flags. */
export type Options = Readonly<Record<string, string | boolean | string[] | undefined>>;

/** What a command works with: files, settings, streams. Everything is read, and its code loaded, when it is first asked for. */
export class Context {
  readonly io: Io;
  readonly globals: Globals;
  readonly paths: Paths;
  /** How to write the answer. */
  readonly ui: Terminal;
  /** How to write messages. */
  readonly err: Terminal;
  #settings: Promise<Settings> | undefined;
  #names: Promise<Map<string, Did>> | undefined;

  constructor(io: Io, globals: Globals) {
    this.io = io;
    this.globals = globals;
    this.paths = pathsFor(io.env);
    this.ui = new Terminal(io.stdout, io.env);
    this.err = new Terminal(io.stderr, io.env);
  }

  settings(): Promise<Settings> {
    const flags: Partial<Record<SettingKey, string | undefined>> = {
      registry: this.globals.registry,
      identity: this.globals.identity,
    };
    return (this.#settings ??= import("./files/config.ts").then(({ Settings }) =>
      Settings.load(this.paths, this.io.cwd, this.io.env, flags),
    ));
  }

  /** A setting of the user's own file alone. */
  async userSetting(key: SettingKey): Promise<string | undefined> {
    const { Settings } = await import("./files/config.ts");
    return (await Settings.load(this.paths, this.paths.data, {}, {})).value(key);
  }

  /** The configured registry, or undefined: there is no default one. */
  async registry(): Promise<string | undefined> {
    return (await this.settings()).value("registry")?.replace(/\/+$/, "");
  }

  /** @throws {CliError} ERR_USAGE that says how to name a registry */
  async needRegistry(): Promise<string> {
    const url = await this.registry();
    if (url === undefined)
      throw usage("no registry is named", "--registry <url>, or: peerage config set registry <url>");
    return url;
  }

  /** The scope of a flag, else the configured one (`tools` by default). */
  async scope(flag: string | boolean | string[] | undefined): Promise<string> {
    const scope = typeof flag === "string" ? flag : ((await this.settings()).value("scope") ?? "tools");
    if (!/^[a-z][a-z0-9-]{0,63}$/.test(scope))
      throw usage(`${JSON.stringify(scope)} is no scope`, "a scope is a word such as tools or code-review");
    return scope;
  }

  async roots(): Promise<Did[]> {
    const { readRoots } = await import("./files/book.ts");
    return readRoots(this.paths);
  }

  /** The user's own names for agents. */
  names(): Promise<Map<string, Did>> {
    return (this.#names ??= import("./files/book.ts").then(({ readNames }) => readNames(this.paths)));
  }

  /** The user's own name for an agent, if there is one. */
  async nameOf(did: Did): Promise<string | undefined> {
    for (const [name, named] of await this.names()) if (named === did) return name;
    return undefined;
  }

  /** The identity that is meant, key closed: its file, or what the signing agent holds where there is no file here. */
  async identityFile(): Promise<IdentityFile> {
    const { chooseIdentity } = await import("./files/identities.ts");
    const settings = await this.settings();
    try {
      return await chooseIdentity(this.paths, settings, this.io.env);
    } catch (error) {
      const agent = settings.value("agent");
      const isMissing = error instanceof CliError && error.code === "ERR_IDENTITY_MISSING";
      if (!isMissing || agent === undefined || this.globals.identity !== undefined) throw error;
      const { identityAt } = await import("./agent/client.ts");
      return identityAt(agent, settings.value("identity") ?? "agent");
    }
  }

  /**
   * The identity that is meant, ready to sign: through the signing agent where one is named, else by its own key.
   * `unattended` never asks for a passphrase.
   */
  async signer(
    options: { passphraseFile?: string | boolean | string[] | undefined; unattended?: boolean } = {},
  ): Promise<Signer> {
    const agent = (await this.settings()).value("agent");
    if (agent !== undefined) return (await import("./agent/client.ts")).signerAt(this, agent);
    const file = await this.identityFile();
    const { openIdentity } = await import("./files/identities.ts");
    const passphraseFile = typeof options.passphraseFile === "string" ? options.passphraseFile : undefined;
    return openIdentity(file, () => this.passphrase(file.name, passphraseFile, options.unattended));
  }

  /** The passphrase of a sealed key: given, or asked for. @throws {CliError} ERR_KEY_LOCKED */
  async passphrase(name: string, file: string | undefined, unattended = false): Promise<string> {
    const { givenPassphrase } = await import("./files/identities.ts");
    const given = await givenPassphrase(this.io.env, file);
    if (given !== undefined) {
      if (this.io.env["PEERAGE_PASSPHRASE"] === given)
        this.warn("PEERAGE_PASSPHRASE is seen by other programs of this user; a file is safer");
      return given;
    }
    if (unattended || !this.canAsk) {
      throw new CliError("ERR_KEY_LOCKED", `the key of ${name} is locked`, {
        hint: "name a file that holds its passphrase: PEERAGE_PASSPHRASE_FILE=<file>",
      });
    }
    const { askPassphrase } = await import("./ui/ask.ts");
    return askPassphrase(`Passphrase of ${name}`);
  }

  /** True where a person can be asked: both ends are terminals, and nobody forbade it. */
  get canAsk(): boolean {
    if (this.globals.input === false || this.globals.json === true) return false;
    const flag = this.io.env["PEERAGE_NO_INPUT"];
    if (flag !== undefined && flag !== "" && flag !== "0") return false;
    return (this.io.stdin as Partial<NodeJS.ReadStream>).isTTY === true && this.err.tty;
  }

  /** Asks for a yes; `--yes` gives it. @throws {CliError} ERR_USAGE where nobody can be asked */
  async confirm(question: string): Promise<boolean> {
    if (this.globals.yes === true) return true;
    if (!this.canAsk) throw usage(`this needs a yes: ${question}`, "--yes");
    const { askYes } = await import("./ui/ask.ts");
    return askYes(question);
  }

  /** Writes a line of messages to stderr, unless `--quiet`. */
  say(line: string): void {
    if (this.globals.quiet !== true) this.io.stderr.write(`${line}\n`);
  }

  /** Writes a warning to stderr. */
  warn(text: string): void {
    const [first = "", ...more] = this.err.wrap(this.err.shown(text), 5);
    this.say(`  ${this.err.warn(this.err.mark.warn)}  ${first}`);
    for (const line of more) this.say(`     ${line}`);
  }
}
