import { describe, expect, it } from "vitest";
import { listenError } from "./address.ts";

describe("an address at which nothing can listen", () => {
  it("is told with the flag that names another; any other error stays as it is", () => {
    const at = { host: "127.0.0.1", port: 7070 };
    const of = (code: string): Error => Object.assign(new Error("listen"), { code });
    expect(listenError(of("EADDRINUSE"), at, "--http")).toMatchObject({
      code: "ERR_CONFIG_INVALID",
      exit: 1,
      message: "port 7070 is taken",
      hint: "--http <another port>",
    });
    expect(listenError(of("EACCES"), at, "--listen")).toMatchObject({ hint: "--listen <a port from 1024 on>" });
    expect(listenError(of("EADDRNOTAVAIL"), at, "--listen")).toMatchObject({
      message: "127.0.0.1 is no address of this machine",
    });
    const other = of("EMFILE");
    expect(listenError(other, at, "--http")).toBe(other);
  });
});
