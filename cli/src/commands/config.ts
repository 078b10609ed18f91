import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { type SettingKey, settingKeys, writeSetting } from "../files/config.ts";
import { tilde } from "../files/paths.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { nearest } from "../ui/nearest.ts";
import { visible } from "../ui/visible.ts";

/** `peerage config get`: what is in force and, if asked, from where. */
export async function get(context: Context, { words, options }: Args): Promise<Result> {
  const settings = await context.settings();
  const keys = words[0] === undefined ? settingKeys : [settingKey(words[0])];
  const found = keys.flatMap((key) => {
    const setting = settings.get(key);
    return setting === undefined ? [] : [{ key, ...setting }];
  });
  if (words[0] !== undefined && found.length === 0) {
    throw new CliError("ERR_NOT_FOUND", `${words[0]} is not set`, { hint: `peerage config set ${words[0]} <value>` });
  }
  const origin = options["origin"] === true;
  const { ui } = context;
  return {
    data: { settings: found },
    text: ui.table(
      found.map(({ key, value, origin: from }) => [
        ui.dim(key),
        ...(origin ? [ui.pad(ui.dim(from), 11)] : []),
        visible(value, 2048),
      ]),
    ),
    plain: found.map(({ key, value, origin: from }) => [key, value, ...(origin ? [from] : [])]),
  };
}

/** `peerage config set`: writes the user's own file, or forgets a key. */
export async function set(context: Context, { words, options }: Args): Promise<Result> {
  const key = settingKey(words[0] ?? "");
  const value = words[1];
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await writeSetting(context.paths, key, value);
  const { ui } = context;
  const label = dryRun ? "would set" : value === undefined ? "forgot" : "set";
  return {
    data: { key, value: value ?? null, dryRun, path: context.paths.config },
    text: ui.facts([
      { mark: dryRun ? "none" : "ok", label, value: value === undefined ? key : `${key}  ${visible(value, 2048)}` },
      { label: "in", value: tilde(context.paths, context.paths.config) },
    ]),
  };
}

/** `peerage config path`: where everything is kept. */
export function path(context: Context, _args: Args): Promise<Result> {
  const { config, keys, data, state, cache } = context.paths;
  const places = { config, keys, data, state, cache };
  const { ui } = context;
  return Promise.resolve({
    data: places,
    text: ui.table(Object.entries(places).map(([name, place]) => [ui.dim(name), tilde(context.paths, place)])),
    plain: Object.entries(places),
  });
}

function settingKey(word: string): SettingKey {
  const key = settingKeys.find((known) => known === word);
  if (key !== undefined) return key;
  const near = nearest(word, settingKeys, 1)[0];
  throw usage(
    `unknown setting: ${visible(word)}`,
    near === undefined ? `one of: ${settingKeys.join(", ")}` : `did you mean ${near}?`,
  );
}
