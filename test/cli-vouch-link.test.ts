import { expect, it } from "vitest";
import { Home, openTestRegistry } from "./_cli.ts";

it("lets two strangers vouch for one another by links alone", async () => {
  await using registry = await openTestRegistry();
  await using one = await Home.make();
  await using other = await Home.make();
  await one.call(["init", "one", "--registry", registry.url]);
  await other.call(["init", "other"]);
  const { link, command } = JSON.parse(
    (await one.call(["whoami", "--share", "--scope", "code", "--json"])).stdout,
  ).data;
  expect(command).toBe(`peerage vouch '${link}'`);
  // The other has named no registry: the link does.
  const vouched = JSON.parse((await other.call(["vouch", link, "--json"])).stdout).data;
  expect(vouched).toMatchObject({ subject: await did(one), scope: ["code"] });
  const back = await other.call(["whoami", "--share", "--registry", registry.url, "--json"]);
  expect((await one.call(["vouch", JSON.parse(back.stdout).data.link])).code).toBe(0);
  const { vouches } = JSON.parse((await one.call(["whoami", "--json"])).stdout).data;
  expect(vouches).toMatchObject([{ issuer: await did(other), scope: ["code"] }]);

  async function did(home: Home): Promise<string> {
    return JSON.parse((await home.call(["whoami", "--json", "--registry", registry.url])).stdout).data.did;
  }
});

it("takes a link of another registry only when it is named, and nothing else for a link", async () => {
  await using registry = await openTestRegistry();
  await using home = await Home.make();
  await home.call(["init", "bot", "--registry", registry.url]);
  const did = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
  const foreign = await home.call(["vouch", `https://elsewhere.example/a/${did}`]);
  expect([foreign.code, foreign.stderr]).toEqual([2, expect.stringContaining("--registry https://elsewhere.example")]);
  for (const wrong of [
    `http://elsewhere.example/a/${did}`,
    `https://user:word@elsewhere.example/a/${did}`,
    "https://elsewhere.example/a/did:key:z6MkeXATEjyXENzBXBxgC5EHk",
    `https://elsewhere.example/b/${did}`,
    `${registry.url}/a/${did}?scope=NOT%20ONE`,
  ])
    expect((await home.call(["vouch", wrong])).code, wrong).toBe(2);
  expect((await home.call(["vouch", `${registry.url}/a/${did}`])).code).toBe(0);
});

it("draws the link as a code to scan where it is asked to", async () => {
  await using home = await Home.make();
  await home.call(["init", "bot"]);
  const share = (...more: string[]) =>
    home.call(["whoami", "--share", "--registry", "https://registry.example", ...more]).then(({ stdout }) => stdout);
  expect(await share("--qr")).toMatch(/\n {2}█{30,70}\n/);
  expect(await share()).not.toContain("█");
});
