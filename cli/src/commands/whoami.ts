import { type Did, toHex, type VouchRecord } from "@peerage/core";
import { ownName } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { tilde } from "../files/paths.ts";
import { openSnapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { agentLabel, styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, day, rfc3339 } from "../ui/time.ts";
import { writeVouchLink } from "../vouch-link.ts";

/** `peerage whoami`: the identity in use and, with a registry, who vouches for it. The key stays closed. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const file = await context.identityFile();
  const registry = await context.registry();
  if (options["share"] === true) return share(context, file.did, file.name, registry, options);
  const { ui } = context;
  const facts: Fact[] = [
    { mark: "ok", label: file.name, value: styledDid(ui, file.did) },
    {
      label: "key",
      value: `${tilde(context.paths, file.path)} ${ui.dim(file.locked ? "(sealed)" : "(no passphrase)")}`,
    },
    { label: "roots", value: rootsText((await context.roots()).length) },
  ];
  const known = registry === undefined ? undefined : await whoVouches(context, file.did);
  if (known === undefined) facts.push({ label: "registry", value: "none named: everything local works without" });
  else facts.push(...known.facts);
  return {
    data: {
      name: file.name,
      did: file.did,
      path: file.path,
      locked: file.locked,
      roots: await context.roots(),
      registry: registry ?? null,
      ...(known?.data ?? {}),
    },
    text: ui.facts(facts),
    plain: [[file.name, file.did, file.path]],
  };
}

function rootsText(number: number): string {
  return number === 0 ? "none yet: everyone is unknown to you (peerage roots add)" : count(number, "root");
}

async function whoVouches(context: Context, did: Did): Promise<{ facts: Fact[]; data: object }> {
  const { url, view } = await openSnapshot(context);
  const { ui } = context;
  const record = view.agent(did);
  const vouches = (record?.received ?? []).filter((vouch) => vouch.status === "in-force");
  const facts: Fact[] = [
    {
      label: "registry",
      value:
        record === undefined
          ? `${url}, which does not know you (peerage init)`
          : `${url}, since entry #${record.first.index}`,
    },
    vouches.length > 0
      ? {
          mark: "ok",
          label: "vouches",
          value: `${count(vouches.length, "vouch")} in force`,
        }
      : { mark: "warn", label: "vouches", value: "none: most servers will refuse you (peerage whoami --share)" },
  ];
  for (const vouch of vouches) facts.push({ label: "", value: await vouchLine(context, vouch) });
  return {
    facts,
    data: {
      log: {
        origin: view.origin,
        size: view.size,
        root: toHex(view.root),
        time: rfc3339(view.time),
        witnessed: view.witnessed,
      },
      keyStatus: record?.key.status ?? "unregistered",
      vouches: vouches.map(({ statement, index, scopes }) => ({
        id: statement.id,
        index,
        issuer: statement.issuer,
        scope: scopes,
        confidence: statement.confidence,
        validUntil: rfc3339(statement.validUntil),
      })),
    },
  };

  async function vouchLine({ ui: _ }: Context, { statement, scopes, index }: VouchRecord): Promise<string> {
    const who = agentLabel(ui, statement.issuer, await ownName(context, statement.issuer));
    return `${who}  ${statement.confidence}  ${ui.accent(scopes.join(" "))}  ${ui.dim(`until ${day(statement.validUntil)} (#${index})`)}`;
  }
}

/** A message to send to somebody who could vouch. It asks; nothing is signed. */
async function share(
  context: Context,
  did: Did,
  name: string,
  registry: string | undefined,
  options: Options,
): Promise<Result> {
  const given = options["scope"];
  const scope = typeof given === "string" ? await context.scope(given) : undefined;
  const link = registry === undefined ? null : writeVouchLink({ did, registry, scope });
  const command = `peerage vouch ${link === null ? did : `'${link}'`}`;
  const { ui } = context;
  // A code is for the camera of somebody who sits at the same screen.
  const scannable = link !== null && (options["qr"] === true || (ui.tty && ui.mark.ok === "✓"));
  return {
    data: { did, name, registry: registry ?? null, scope: scope ?? null, command, link },
    text: [
      `  ${ui.dim("send this to someone who knows your work:")}`,
      "",
      `  Would you vouch for ${name}${scope === undefined ? "" : ` in ${scope}`}?`,
      `  ${did}`,
      ...(link === null ? [] : [`  ${ui.link(link)}`]),
      "",
      `  peerage vouch \\`,
      `    ${link === null ? did : `'${link}'`}`,
      ...(scannable ? ["", ...(await qrCode(link))] : []),
    ],
    plain: [[did, command]],
  };
}

async function qrCode(text: string): Promise<string[]> {
  const { renderUnicodeCompact } = await import("uqr");
  return renderUnicodeCompact(text, { border: 2 })
    .split("\n")
    .map((line) => `  ${line}`);
}
