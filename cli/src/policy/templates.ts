/** What a template is filled with. */
export interface TemplateParts {
  /** A comment that names the schema to editors. */
  readonly schema: string | undefined;
  /** Tools that a server says only read, and its others; undefined if no server was asked. */
  readonly readonly: readonly string[] | undefined;
  readonly others: readonly string[] | undefined;
  /** Who may approve, until the operator puts in who really may. */
  readonly approver: string | undefined;
}

/** The policies that `peerage policy init` writes, by name. */
export const templates: Readonly<Record<string, (parts: TemplateParts) => string>> = { laptop, server, approvals };

const READING = ["search", "read_*", "get_*", "list_*"];

function laptop(parts: TemplateParts): string {
  return document(
    parts,
    `A laptop. Agents that my roots trust may read, my own agents may do anything, strangers nothing.`,
    [
      "allow:",
      "  # Whoever my roots trust at least a little may use what only reads.",
      "  - id: readers",
      `    tools: ${flow(parts.readonly ?? READING)}`,
      '    agents: "*"',
      "    trust: 0.25",
      "",
      "  # The identities of this machine may use everything.",
      "  - id: mine",
      '    tools: "*"',
      '    agents: "@me"',
      "",
      "  - id: my-prompts",
      '    prompts: "*"',
      '    agents: "@me"',
      "",
      "  - id: my-resources",
      '    resources: "**"',
      '    agents: "@me"',
    ],
  );
}

function server(parts: TemplateParts): string {
  return document(
    parts,
    "A community server. Strangers may read, slowly and all of them together; writing needs trust.",
    [
      "# The scope in which trust is asked for. Vouches are given for scopes.",
      "defaults: { scope: tools }",
      "",
      "# What only reads. A server's own word on this is a hint: look through the list.",
      `readonly: ${flow(parts.readonly ?? READING)}`,
      "",
      "allow:",
      "  # Strangers too, but all of them share 300 calls a minute: making a key costs nothing.",
      "  - id: readers",
      `    tools: ${flow(parts.readonly ?? READING)}`,
      '    agents: "*"',
      "    trust: 0.25",
      "    unknown: allow-readonly",
      "    limit:",
      "      - { calls: 30, per: 1m }",
      "      - { calls: 300, per: 1m, of: all }",
      "",
      "  # What changes something asks for more trust, from a fresh view of the log.",
      "  - id: writers",
      `    tools: ${flow(parts.others ?? ["write_*", "create_*"])}`,
      '    agents: "*"',
      "    trust: { min: 0.5, maxAge: 1h }",
      "    limit: { calls: 10, per: 1m, of: [agent, tool] }",
    ],
  );
}

function approvals(parts: TemplateParts): string {
  return document(
    parts,
    "A person approves every call that changes something: this very call, by a key of their own.",
    [
      "# Who may approve. Put in the keys of people: peerage approvers add <agent>",
      "groups:",
      "  approvers:",
      `    - ${JSON.stringify(parts.approver ?? "")}`,
      "",
      "allow:",
      "  # The identities of this machine may use what only reads.",
      "  - id: readers",
      `    tools: ${flow(parts.readonly ?? READING)}`,
      '    agents: "@me"',
      "",
      "  # Everything else waits for a person: peerage approvals",
      "  - id: writers",
      '    tools: "*"',
      '    agents: "@me"',
      "    approval:",
      '      by: "@approvers"',
      "      within: 30m",
      "      timeout: 10m",
    ],
  );
}

function document({ schema }: TemplateParts, about: string, lines: readonly string[]): string {
  const head = ["# Nothing is admitted that no rule names. A deny wins over every allow.", ...commented(about)];
  const form = ["apiVersion: peerage.dev/v1", "kind: Policy", ""];
  return `${[...(schema === undefined ? [] : [schema]), ...head, ...form, ...lines].join("\n")}\n`;
}

/** A sentence as comments of at most 80 columns. */
function commented(text: string): string[] {
  return text
    .replace(/(.{1,78})(?: |$)/g, "$1\n")
    .trimEnd()
    .split("\n")
    .map((line) => `# ${line}`);
}

/** A list in one line; an empty one is met by nobody. Names come from a server, so each is quoted. */
function flow(names: readonly string[]): string {
  return `[${names.map((name) => JSON.stringify(name)).join(", ")}]`;
}
