import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { generateIdentity, issueProfile } from "@peerage/core";
import { BIN, Home } from "./_cli.ts";
import { startPostgres } from "./_postgres.ts";

it("peerage registry serve keeps its log in PostgreSQL, and shows the password nowhere", async () => {
  await using server = await startPostgres();
  await using home = await Home.make();
  const database = await server.database("cli");
  const { password } = new URL(database);
  const child = spawn(
    process.execPath,
    [BIN, "registry", "serve", "--listen", "0", "--data", join(home.path, "registry")],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], PEERAGE_HOME: join(home.path, "peerage"), PEERAGE_DATABASE: database },
    },
  );
  const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let printed = "";
  const url = await new Promise<string>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      printed += chunk.toString();
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    void gone.then(() => reject(new Error(printed)));
  });
  try {
    const { bytes } = await issueProfile(generateIdentity(), { role: "agent" });
    const answer = await fetch(`${url}/v1/statements`, { method: "POST", body: bytes as BodyInit });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ index: 0 });
    // The address in a flag, the password beside it; a second registry of the log would need its keys.
    const flag = `postgres://peerage@${new URL(database).host}/cli`;
    const second = await home.run(["registry", "serve", "--listen", "0", "--database", flag], {
      env: { PGPASSWORD: password },
    });
    expect(second.stderr).toMatch(/key/);
    expect(second.code).not.toBe(0);
    const given = await home.run(["registry", "serve", "--listen", "0", "--database", database]);
    expect(given.code).toBe(2);
    expect(given.stderr).toMatch(/PGPASSWORD/);
    for (const { stdout, stderr } of [second, given]) expect(stdout + stderr).not.toContain(password);
  } finally {
    child.kill("SIGTERM");
    await gone;
  }
  expect(printed).not.toContain(password);
});
