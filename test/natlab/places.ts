import { sourceOf } from './distances.ts';
import type { Topology } from './topology.ts';

const IPV4_HEADER_BYTES = 20;
const IPV4_SOURCE_AT = 12;
const IPV6_HEADER_BYTES = 40;
const IPV6_SOURCE_AT = 8;

/** By the first bytes of a public address, whose place on the internet it is: a side, a carrier or the server. */
export function placesOf({ server, carriers, sides }: Topology): Record<string, string> {
  const places: [prefix: string, place: string][] = [
    [ipv4Prefix(server.addresses[0]), server.host],
    [ipv6Prefix('2001:2:0:0'), server.host],
    ...carriers.map(({ wanAddress, name }): [string, string] => [ipv4Prefix(wanAddress), name]),
  ];
  for (const { name, carrier, wanAddress, lanAddress, behaviour, ipv6 } of sides) {
    if (carrier === undefined) places.push([ipv4Prefix(wanAddress), name]);
    if (behaviour === 'none') places.push([ipv4Prefix(lanAddress), name]);
    if (ipv6 !== undefined) places.push([ipv6Prefix(ipv6.lanNetwork.replace('::/64', '')), name]);
  }
  return Object.fromEntries(places);
}

function ipv4Prefix(address: string): string {
  const packet = new Uint8Array(IPV4_HEADER_BYTES);
  packet[0] = 0x45;
  packet.set(address.split('.').map(Number), IPV4_SOURCE_AT);
  return sourceOf(packet);
}

/** Of four groups. */
function ipv6Prefix(groups: string): string {
  const packet = new DataView(new ArrayBuffer(IPV6_HEADER_BYTES));
  packet.setUint8(0, 0x60);
  for (const [index, group] of groups.split(':').entries())
    packet.setUint16(IPV6_SOURCE_AT + 2 * index, Number.parseInt(group, 16));
  return sourceOf(new Uint8Array(packet.buffer));
}
