import { expect, it } from "vitest";
import { play } from "../_stories.ts";
import { stories } from "../docs-stories.ts";

it.each(stories.map((story) => ({ page: `${story.page} ${story.mark ?? ""}`.trim(), story })))(
  "$page: every command does what the page says, in its order, as written",
  async ({ story }) => {
    expect((await play(story)).length).toBeGreaterThan(0);
  },
);
