import { readFile } from "node:fs/promises";
import { isJsonObject, parseJson, type PartialInput } from "@peerage/core";
import { CliError, describeError } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import { unreadable } from "./source.ts";

/** A partial input of a policy, from a JSON file. @throws {CliError} ERR_POLICY_INVALID */
export async function inputFile(path: string): Promise<PartialInput> {
  let text: Buffer;
  try {
    text = await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const value = parseJson(text);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw new CliError("ERR_POLICY_INVALID", `${visible(path, 200)}: ${describeError(error).message}`);
  }
  throw new CliError("ERR_POLICY_INVALID", `${visible(path, 200)} is no JSON object`);
}
