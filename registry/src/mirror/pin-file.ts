import { readFileSync, writeFileSync } from "node:fs";
import { isJsonObject, parseJson, PeerageError, type PinStore, type RegistryPin } from "@peerage/core";

/** The keys of the one log that a folder mirrors, pinned at first contact. */
export function pinFile(path: string): PinStore & { only(): RegistryPin | undefined } {
  const only = (): RegistryPin | undefined => {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    return parsePin(text, path);
  };
  return {
    only,
    get: () => only(),
    set: (_url, { origin, logKey, witnessKey }) => {
      // A pin is never replaced: another key later is an error, not news.
      writeFileSync(path, `${JSON.stringify({ origin, logKey, witnessKey })}\n`, { flag: "wx", mode: 0o600 });
    },
  };
}

function parsePin(text: string, path: string): RegistryPin {
  try {
    const json = parseJson(text, { maxBytes: 4_096 });
    const { origin, logKey, witnessKey } = isJsonObject(json) ? json : {};
    if (typeof origin === "string" && typeof logKey === "string" && typeof witnessKey === "string") {
      return { origin, logKey, witnessKey };
    }
  } catch {
    // Said below, with the path.
  }
  throw new PeerageError("ERR_STORE_CORRUPT", `${path} does not hold the keys of a log`);
}
