/**
 * Entry point `@parley/edge-client/session`: the secure session over a path of the app's own, without a supernode. The usual
 * way to a session is `EdgeClient.openSession`.
 */
export { connectionIdOf, newConnectionId } from './connection-id.ts';
export type { DatagramPath, SessionPath, SessionRelays } from './datagram-path.ts';
export { deviceCertificate, trustAnchor, type DeviceCertificate } from './device-certificate.ts';
export { createQuicheEngine, isQuicAvailable } from './quic-engine.quiche.ts';
export type {
  QuicEngine,
  QuicEngineFactory,
  QuicEngineOptions,
  QuicStats,
  StreamDirection,
} from './quic-engine.ts';
export {
  CalleeHandshake,
  CallerHandshake,
  flightHash,
  type Flight,
  type HandshakeOptions,
} from './session-handshake.ts';
export type { SessionStream } from './session-stream.ts';
export type { PathListener, Session, SessionClosure, SessionStats } from './session.ts';
