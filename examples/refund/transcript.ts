/** Says what happened, for people or for programs, and remembers whether it was what was expected. */
interface Line {
  readonly chapter: string;
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly ok: boolean;
}

const WIDTH = 46;

export class Transcript {
  readonly #json: boolean;
  readonly #lines: Line[] = [];
  readonly #color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  #chapter = "";
  #problem: string | undefined;

  /** @param json - one document at the end instead of lines */
  constructor(json: boolean) {
    this.#json = json;
  }

  introduce(dids: Readonly<Record<string, string>>): void {
    this.#say("");
    this.#say(
      `  ${this.#style(1, "Refunds")}   agents, people and a payment server, each a process with a key of its own`,
    );
    this.#say("");
    for (const [name, did] of Object.entries(dids)) this.#say(`    ${name.padEnd(8)} ${this.#style(2, did)}`);
  }

  chapter(title: string): void {
    this.#chapter = title;
    this.#say("");
    this.#say(`  ${this.#style(1, title)}`);
  }

  expect(what: string, expected: string, got: string | undefined): void {
    const ok = got === expected;
    this.#lines.push({ chapter: this.#chapter, what, expected, got: got ?? "", ok });
    const mark = ok ? this.#style(32, "✔") : this.#style(31, "✘");
    const value = ok ? expected : `${got ?? "nothing"}, not ${expected}`;
    // What does not fit beside its name stands under it.
    if (value.length <= 32) this.#say(`    ${mark} ${what.padEnd(WIDTH)} ${this.#style(ok ? 36 : 31, value)}`);
    else
      for (const line of [`    ${mark} ${what}`, ...value.split(", ").map((one) => `        ${this.#style(36, one)}`)])
        this.#say(line);
  }

  broke(error: unknown): void {
    this.#problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }

  /** The exit code: 0 if everything was as expected. */
  finish(): number {
    const wrong = this.#lines.filter(({ ok }) => !ok).length;
    const isGood = wrong === 0 && this.#problem === undefined && this.#lines.length > 0;
    if (this.#json) {
      const problem = this.#problem === undefined ? {} : { problem: this.#problem };
      process.stdout.write(`${JSON.stringify({ ok: isGood, outcomes: this.#lines, ...problem }, null, 1)}\n`);
      return isGood ? 0 : 1;
    }
    this.#say("");
    if (this.#problem !== undefined) this.#say(`  ${this.#style(31, "✘")} ${this.#problem}`);
    else if (isGood) this.#say(`  ${this.#style(32, "✔")} all ${this.#lines.length} outcomes are the expected ones`);
    else this.#say(`  ${this.#style(31, "✘")} ${wrong} of ${this.#lines.length} outcomes are not the expected ones`);
    this.#say("");
    return isGood ? 0 : 1;
  }

  #say(line: string): void {
    if (!this.#json) process.stdout.write(`${line}\n`);
  }

  #style(code: number, text: string): string {
    return this.#color ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
