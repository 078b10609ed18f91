import { type Generated, type Kysely, sql } from "kysely";

/** The table, as Kysely sees it; ids, tags and bodies are text, so every database has them in one form. */
export interface MessageTables {
  message: {
    /** Digest of the sealed bytes. */
    id: string;
    /** Tags of DIDs, see {@link file://./tags.ts}: the table alone does not say who writes to whom. */
    recipient: string;
    sender: string;
    /** 1 if the recipient knew the sender when it came. */
    known: number;
    /** Bytes of the sealed message. */
    size: number;
    /** Unix seconds. */
    received: number | string;
    /** Base64; null once it is erased. The row stays for a day: by it the sender's messages are counted. */
    body: string | null;
    /** Unix seconds. */
    erased: Generated<number | string | null>;
  };
}

/** Makes the table where there is none. */
export async function createMessageTables({ schema }: Kysely<MessageTables>): Promise<void> {
  await schema
    .createTable("message")
    .ifNotExists()
    .addColumn("id", "text", (column) => column.notNull())
    .addColumn("recipient", "text", (column) => column.notNull())
    .addColumn("sender", "text", (column) => column.notNull())
    .addColumn("known", "integer", (column) => column.notNull())
    .addColumn("size", "integer", (column) => column.notNull())
    .addColumn("received", "bigint", (column) => column.notNull())
    .addColumn("body", "text")
    .addColumn("erased", "bigint")
    .addPrimaryKeyConstraint("message_key", ["recipient", "id"])
    .execute();
  await schema.createIndex("message_sender").ifNotExists().on("message").columns(["sender", "received"]).execute();
  await schema.createIndex("message_received").ifNotExists().on("message").column("received").execute();
  // All that waits is added up for each message that comes: from here, and not from rows with their bodies.
  await schema
    .createIndex("message_waiting")
    .ifNotExists()
    .on("message")
    .column("size")
    .where(sql.ref("body"), "is not", null)
    .execute();
}
