import { describeForks } from "../_forks.ts";

// Seven lies: 2,030 forks in all.
describeForks({ rounds: 290, honestLogs: 2_000 });
