import { constants } from "node:fs";
import { writeFile } from "node:fs/promises";
import { CliError } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import { codeOf } from "./safe-file.ts";

/** Writes a file that anybody may read, never over another. @throws {CliError} ERR_USAGE if the name is taken */
export async function writeNewFile(file: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(file, content, { flag: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    throw new CliError("ERR_USAGE", `${visible(file, 200)} exists already and is not overwritten`, {
      hint: "--out <file>",
    });
  }
}
