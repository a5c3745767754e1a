export * from './discovery-driver.ts';
export { monotonicNow } from './monotonic-clock.ts';
export * from './node-crypto.ts';
export * from './stun-server-driver.ts';
export type * from './endpoint/endpoint-types.ts';
export type { IcePath, IcePathStats, IceStateChange } from './endpoint/ice-path.ts';
export { UdpEndpoint } from './udp-endpoint.ts';
export {
  TurnServerDriver,
  type TurnDriverStats,
  type TurnListen,
  type TurnListener,
  type TurnServerControl,
  type TurnServerDriverOptions,
} from './turn-server-driver.ts';
