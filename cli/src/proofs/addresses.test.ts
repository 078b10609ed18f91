import { expect, it } from "vitest";
import { isPublicAddress } from "./addresses.ts";

it("tells public addresses from all that lead somewhere else", () => {
  const open = ["1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "223.255.255.255", "2606:4700::1111"];
  const inside = [
    ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"],
    ...["172.31.255.255", "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
    ...["::", "::1", "::ffff:10.0.0.1", "::ffff:1.1.1.1", "64:ff9b::a00:1", "fc00::1", "fe80::1", "fe80::1%eth0"],
    ...["ff02::1", "2001::1", "2001:db8::1", "2002:a00:1::", "3fff::1", "localhost", "", "1.1.1", "0x7f.1"],
  ];
  for (const address of open) expect([address, isPublicAddress(address)]).toEqual([address, true]);
  for (const address of inside) expect([address, isPublicAddress(address)]).toEqual([address, false]);
});
