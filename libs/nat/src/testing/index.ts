export type { FirewallBehaviour } from './firewall-table.ts';
export { freePort } from './free-port.ts';
export type { LinkOptions } from './link.ts';
export { NatBox, type NatBoxOptions } from './nat-box.ts';
export { NatTable, type InboundResult, type NatBehaviour, type PortAllocation } from './nat-table.ts';
export type { Packet, PacketDropReason, PacketEvent } from './packet.ts';
export { seededCrypto } from './seeded-crypto.ts';
export { SeededRandom } from './seeded-random.ts';
export { Segment } from './segment.ts';
export { VirtualClock, type VirtualTimer } from './virtual-clock.ts';
export {
  VirtualHost,
  VirtualSocket,
  type DatagramListener,
  type VirtualHostOptions,
} from './virtual-host.ts';
export { VirtualNetwork, type VirtualNetworkOptions } from './virtual-network.ts';
