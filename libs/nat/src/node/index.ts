export * from './discovery-driver.ts';
export { monotonicNow } from './monotonic-clock.ts';
export * from './node-crypto.ts';
export {
  PortMappingDriver,
  type PortMappingDriverOptions,
  type PortMappingEvents,
} from './port-mapping-driver.ts';
export * from './port-mapping-probe.ts';
export * from './stun-server-driver.ts';
export type * from './endpoint/endpoint-types.ts';
export type { IcePath, IcePathStats, IceStateChange } from './endpoint/ice-path.ts';
export type { EndpointFlow } from './endpoint/registered-flow.ts';
export { UdpEndpoint } from './udp-endpoint.ts';
export { TcpListener, type TcpListenerEvents, type TcpRefusal } from './tcp-listener.ts';
export type { TurnListen } from './turn-listeners.ts';
export type { StreamOptions, StreamStats } from './turn-stream-clients.ts';
export {
  TurnServerDriver,
  type TurnDriverStats,
  type TurnListener,
  type TurnServerControl,
  type TurnServerDriverOptions,
} from './turn-server-driver.ts';
export type { FlowDriverStats } from './flow-server-driver.ts';
