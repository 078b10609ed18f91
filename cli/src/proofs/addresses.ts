import { BlockList, isIP, isIPv4 } from "node:net";

// RFC 6890 and the IANA registries of special addresses: none of them is somebody's public web server.
const special4 = new BlockList();
for (const block of [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
])
  add(special4, block, "ipv4");
const global6 = new BlockList();
add(global6, "2000::/3", "ipv6");
// Within it: protocol assignments and Teredo, documentation, and 6to4, which carries an IPv4 address inside.
const special6 = new BlockList();
for (const block of ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]) add(special6, block, "ipv6");

/**
 * True for an address of the public Internet. False for loopback, private, link-local (cloud metadata with it), shared,
 * multicast, reserved and translated ones, and for what is no address: a server that somebody else names must be none of
 * these.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special4.check(address, "ipv4");
  // With a zone it belongs to one link only; mapped and translated IPv4 lies outside 2000::/3.
  if (isIP(address) !== 6 || address.includes("%")) return false;
  return global6.check(address, "ipv6") && !special6.check(address, "ipv6");
}

function add(list: BlockList, block: string, family: "ipv4" | "ipv6"): void {
  const [address = "", bits] = block.split("/");
  list.addSubnet(address, Number(bits), family);
}
