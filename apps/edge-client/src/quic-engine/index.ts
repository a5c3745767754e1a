/**
 * The QUIC engine of sessions alone, for embedders who bring their own transport and their own key exchange: packets in,
 * packets out, no socket, no timer. Most apps want `EdgeClient` instead.
 */
export { deviceCertificate, trustAnchor, type DeviceCertificate } from '../session/device-certificate.ts';
export { createQuicheEngine, isQuicAvailable } from '../session/quic-engine.quiche.ts';
export type {
  QuicClosure,
  QuicEngine,
  QuicEngineFactory,
  QuicEngineOptions,
  QuicStats,
  StreamAbandoned,
  StreamChunk,
  StreamDirection,
} from '../session/quic-engine.ts';
export { newConnectionId } from '../session/connection-id.ts';
