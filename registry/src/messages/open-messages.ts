import { join } from "node:path";
import type { NoteSigner } from "@peerage/core";
import { sql } from "kysely";
import { openErasableFile } from "../store/erasable-file.ts";
import { isPostgresUrl } from "../store/location.ts";
import { MessageStore, type MessageStoreOptions } from "./message-store.ts";
import type { MessageTables } from "./tables.ts";
import { openTagger } from "./tags.ts";

/**
 * Opens the messages of a registry: in a file of their own in the data folder, or in the log's PostgreSQL database.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openMessages(
  database: string,
  dataDir: string,
  options: { readonly log: NoteSigner; readonly now: () => Date } & Pick<MessageStoreOptions, "limits">,
): Promise<MessageStore> {
  const { log, ...more } = options;
  const common = { ...more, tagOf: await openTagger(log) };
  const what = "the messages of this registry";
  if (!isPostgresUrl(database)) {
    return openErasableFile<MessageTables, MessageStore>(join(dataDir, "messages.db"), what, (db, afterErasure) =>
      MessageStore.open(db, { ...common, afterErasure }),
    );
  }
  const { openErasableTables } = await import("../store/erasable-tables.ts");
  return openErasableTables<MessageTables, MessageStore>(database, what, (db) =>
    MessageStore.open(db, {
      ...common,
      // Two processes that count at the same time would both find room for the last one; readers are not held up.
      serialize: async (transaction) => {
        await sql`LOCK TABLE message IN SHARE ROW EXCLUSIVE MODE`.execute(transaction);
      },
    }),
  );
}
