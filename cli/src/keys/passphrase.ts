import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { givenPassphrase } from "../files/identities.ts";

const MIN_CHARACTERS = 8;

/** The passphrase of a key that is made, where one is given, or asked for by `--passphrase`; undefined for none. */
export async function chosenPassphrase(context: Context, options: Options): Promise<string | undefined> {
  const given = await givenOne(context, options);
  if (given !== undefined || options["passphrase"] !== true) return given;
  return newPassphrase(context, options);
}

/** A passphrase by which to seal: given, or asked for twice. @throws {CliError} ERR_USAGE where neither can be, or it is short */
export async function newPassphrase(context: Context, options: Options): Promise<string> {
  const given = await givenOne(context, options);
  if (given !== undefined) return given;
  if (!context.canAsk) throw usage("a passphrase cannot be asked for here", "--passphrase-file <path>");
  const { askPassphrase } = await import("../ui/ask.ts");
  const first = longEnough(await askPassphrase(`A passphrase for the key, at least ${MIN_CHARACTERS} characters`));
  if ((await askPassphrase("Once more")) !== first) throw usage("the two are not the same");
  return first;
}

async function givenOne(context: Context, options: Options): Promise<string | undefined> {
  const file = options["passphraseFile"];
  const given = await givenPassphrase(context.io.env, typeof file === "string" ? file : undefined);
  return given === undefined ? undefined : longEnough(given);
}

function longEnough(passphrase: string): string {
  if (passphrase.length < MIN_CHARACTERS) throw usage(`a passphrase has at least ${MIN_CHARACTERS} characters`);
  return passphrase;
}
