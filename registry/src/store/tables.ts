/** The tables, as Kysely sees them. Their definition is in {@link file://./migrations.ts}. */
export interface Tables {
  entry: {
    idx: number;
    id: Buffer;
    leaf: Buffer;
    kind: number;
    issuer: string;
    subject: string | null;
    target: Buffer | null;
    body: Buffer;
  };
  tile: { level: number; n: number; hashes: Buffer };
  head: { log: number; size: number; root: Buffer; epoch: number };
  checkpoint: { size: number; root: Buffer; time: number; note: string };
}
