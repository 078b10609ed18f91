import { afterAll, beforeAll, expect, it } from "vitest";
import {
  createNote,
  generateIdentity,
  issueProfile,
  issueReport,
  issueVouch,
  type Note,
  noteDigest,
  signNoteErasure,
  tokenDigest,
} from "../core/src/index.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const html = { accept: "text/html" };
const [root, agent, author] = [generateIdentity(), generateIdentity(), generateIdentity()];
let site: TestObservatory;
beforeAll(async () => {
  site = await startObservatory({ roots: [root.did] });
});
afterAll(async () => site[Symbol.asyncDispose]());

async function put(note: Note): Promise<number> {
  const init = { method: "PUT", body: JSON.stringify(note), headers: { "content-type": "application/json" } };
  return (await fetch(`${site.url}/v1/notes/${noteDigest(note)}`, init)).status;
}

const page = async (path: string): Promise<string> => (await site.get(path, html)).text();

it("U13 A-WEB-01 notes are text on the pages of the agent and of the vouch, links https and marked, and gone once withdrawn", async () => {
  const about = createNote({ text: "<img src=x onerror=alert(1)> & co", urls: ['https://example.com/a"b'] });
  const words = createNote({ text: "\"><script>alert(2)</script> it's fine" });
  const vouch = await issueVouch(root, {
    subject: agent.did,
    scope: ["tools"],
    confidence: 80,
    noteDigest: noteDigest(words),
  });
  await site.publish(await issueProfile(agent, { role: "agent", noteDigest: noteDigest(about) }), vouch);
  expect((await site.json(`/a/${agent.did}.json`)).about).toEqual({ state: "missing" });
  expect([await put(about), await put(words)]).toEqual([201, 201]);
  for (const path of [`/a/${agent.did}`, `/v/${vouch.id}`]) {
    const text = await page(path);
    expect(text).toContain("&lt;script&gt;alert(2)&lt;/script&gt;");
    expect(text).not.toMatch(/<img|<script>/);
  }
  const own = await page(`/a/${agent.did}`);
  expect(own).toContain("&lt;img src=x onerror=alert(1)&gt; &amp; co");
  expect(own).toContain('<a href="https://example.com/a%22b" rel="nofollow ugc noopener">example.com</a>');
  expect(await site.text(`/a/${agent.did}.txt`)).toContain("<img src=x onerror=alert(1)> & co");

  const erase = await signNoteErasure(root, { audience: site.registry.origin, note: noteDigest(words) });
  const gone = await fetch(`${site.url}/v1/notes/${noteDigest(words)}`, {
    method: "DELETE",
    headers: { authorization: `Peerage ${erase}` },
  });
  expect(gone.status).toBe(204);
  for (const path of [`/a/${agent.did}`, `/v/${vouch.id}`]) {
    const text = await page(path);
    expect(text).toContain("note withdrawn");
    expect(text).not.toContain("alert(2)");
  }
});

it("reports are listed with their author and words, and change no score", async () => {
  const before = await site.json(`/a/${agent.did}.json`);
  expect([before.reportCount, before.reports]).toEqual([0, []]);
  const words = createNote({ text: "Asked for a password." });
  const report = await issueReport(author, {
    subject: agent.did,
    category: "spam",
    evidence: [tokenDigest("a call")],
    noteDigest: noteDigest(words),
  });
  await site.publish(report);
  expect(await put(words)).toBe(201);
  const after = await site.json(`/a/${agent.did}.json`);
  expect(after.score).toBe(before.score);
  expect(after.reports).toMatchObject([
    { id: report.id, from: { did: author.did }, category: "spam", note: { text: "Asked for a password." } },
  ]);
  const text = await page(`/a/${agent.did}`);
  expect(text).toContain("It changes no score");
  expect(text).toContain("Asked for a password.");
  expect(await site.text(`/a/${agent.did}.txt`)).toContain("reports 1");
});
