import { createHash, type KeyObject } from 'node:crypto';
import { flightHashInput } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import { connectionIdKey, connectionIdOf, newConnectionId } from './connection-id.ts';
import type { DatagramPath } from './datagram-path.ts';
import { certificateHoldsKey, deviceCertificate, trustAnchor } from './device-certificate.ts';
import { isCertificateAlert, type QuicEngine, type QuicEngineFactory } from './quic-engine.ts';
import { createQuicheEngine } from './quic-engine.quiche.ts';
import {
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_KEEP_ALIVE_MS,
  MAX_FLIGHT_PACKETS,
  MAX_UDP_PAYLOAD_BYTES,
} from './session-limits.ts';
import { Session } from './session.ts';

/**
 * The handshake of DESIGN 6.8: the caller is the QUIC client, its first packets ride in the offer and the callee's in the
 * answer. Packets that get lost, or never were in the signalling, are sent again over the path.
 */

/** QUIC packets that travel inside an offer or an answer. */
export interface Flight {
  readonly packets: readonly Uint8Array[];
  /** What the signed offer or answer states, see {@link flightHash}. */
  readonly sha256: Uint8Array;
}

export interface HandshakeOptions {
  /** The Ed25519 private key of this device. */
  readonly deviceKey: KeyObject;
  /** The 32-byte Ed25519 public key that the other end must hold. */
  readonly peerKey: Uint8Array;
  /** Silence after which a session is over, and the longest wait for an answer. @default 30000 */
  readonly idleTimeoutMs?: number;
  /** @default 10000 */
  readonly keepAliveMs?: number;
  /** Whether the caller's first stream is the SDK's own; alike at both ends. @default false */
  readonly hasControlStream?: boolean;
  /** @default the quiche engine */
  readonly engine?: QuicEngineFactory;
}

/** SHA-256 of a flight as the signed offer states it. */
export function flightHash(packets: readonly Uint8Array[]): Uint8Array {
  return createHash('sha256').update(flightHashInput(packets)).digest();
}

/** The calling side. */
export class CallerHandshake {
  /** For the offer. */
  readonly flight: Flight;
  /** The ids by which packets for this session are known. They never change. */
  readonly connectionIds: readonly string[];
  private readonly options: HandshakeOptions;
  private readonly engine: QuicEngine;
  private readonly startedAt = performance.now();
  private signallingMs = 0;

  /** @throws EDGE_QUIC_UNAVAILABLE, EDGE_DEVICE_KEY_INVALID */
  constructor(options: HandshakeOptions) {
    const id = newConnectionId();
    this.options = options;
    this.engine = createEngine('client', id, options);
    this.connectionIds = [connectionIdKey(id)];
    this.flight = takeFlight(this.engine);
  }

  /**
   * Takes the callee's flight from its answer.
   *
   * @throws EDGE_PEER_KEY_MISMATCH when it was not made by the expected device, EDGE_FLIGHT_INVALID when it is none
   */
  acceptAnswer(packets: readonly Uint8Array[]): void {
    this.signallingMs = performance.now() - this.startedAt;
    feedFlight(this.engine, packets);
    const closure = this.engine.closure();
    if (closure !== undefined && isCertificateAlert(closure)) throw edgeError('EDGE_PEER_KEY_MISMATCH');
    if (!this.engine.isEstablished()) throw edgeError('EDGE_FLIGHT_INVALID');
    const certificate = this.engine.peerCertificate();
    if (certificate === undefined || !certificateHoldsKey(certificate, this.options.peerKey)) {
      throw edgeError('EDGE_PEER_KEY_MISMATCH');
    }
  }

  /** The session over `path`. Without `acceptAnswer` the handshake is done over the path. */
  complete(path: DatagramPath): Session {
    const { engine, connectionIds, signallingMs } = this;
    return completeSession('caller', this.options, { path, engine, connectionIds, signallingMs });
  }

  /** The offer came to nothing. */
  abandon(): void {
    this.engine.close(false, 0, '');
  }
}

/** The called side; made when the offer is accepted, so that the time of ringing does not count as network delay. */
export class CalleeHandshake {
  /** For the answer. */
  readonly flight: Flight;
  /**
   * The ids by which packets for this session are known: our own, and the one that the caller chose for its first packets. A
   * table of sessions must refuse an id that it holds already, since the latter is the caller's choice.
   */
  readonly connectionIds: readonly string[];
  private readonly options: HandshakeOptions;
  private readonly engine: QuicEngine;

  /** @throws EDGE_QUIC_UNAVAILABLE, EDGE_DEVICE_KEY_INVALID, EDGE_FLIGHT_INVALID */
  constructor(options: HandshakeOptions, offerFlight: readonly Uint8Array[]) {
    const id = newConnectionId();
    const [first] = offerFlight;
    const initialId = first === undefined ? undefined : connectionIdOf(first);
    if (initialId === undefined) throw edgeError('EDGE_FLIGHT_INVALID');
    this.options = options;
    this.engine = createEngine('server', id, options);
    this.connectionIds = [connectionIdKey(id), initialId];
    feedFlight(this.engine, offerFlight);
    this.flight = takeFlight(this.engine);
    if (this.engine.closure() !== undefined || this.engine.isClosed() || this.flight.packets.length === 0) {
      throw edgeError('EDGE_FLIGHT_INVALID');
    }
  }

  /** The session over `path`; it is ready once the caller's proof has arrived there. */
  complete(path: DatagramPath): Session {
    const { engine, connectionIds } = this;
    return completeSession('callee', this.options, { path, engine, connectionIds, signallingMs: 0 });
  }

  /** The answer came to nothing. */
  abandon(): void {
    this.engine.close(false, 0, '');
  }
}

function createEngine(side: 'client' | 'server', id: Uint8Array, options: HandshakeOptions): QuicEngine {
  const create = options.engine ?? createQuicheEngine;
  return create(side, {
    ...deviceCertificate(options.deviceKey),
    trustAnchor: trustAnchor(options.peerKey),
    sourceConnectionId: id,
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
  });
}

/** All that the engine wants to send now. */
function takeFlight(engine: QuicEngine): Flight {
  const packets: Uint8Array[] = [];
  while (packets.length < MAX_FLIGHT_PACKETS) {
    const room = new Uint8Array(MAX_UDP_PAYLOAD_BYTES);
    const length = engine.send(room);
    if (length === 0) break;
    packets.push(room.subarray(0, length));
  }
  return { packets, sha256: flightHash(packets) };
}

function feedFlight(engine: QuicEngine, packets: readonly Uint8Array[]): void {
  const isSane = packets.every((packet) => packet.length > 0 && packet.length <= MAX_UDP_PAYLOAD_BYTES);
  if (!isSane || packets.length === 0 || packets.length > MAX_FLIGHT_PACKETS)
    throw edgeError('EDGE_FLIGHT_INVALID');
  // the engine decrypts in place, and the flight is part of a signed message that others may still read
  for (const packet of packets) engine.recv(Uint8Array.from(packet));
}

interface Completion {
  readonly engine: QuicEngine;
  readonly path: DatagramPath;
  readonly connectionIds: readonly string[];
  readonly signallingMs: number;
}

function completeSession(
  role: 'caller' | 'callee',
  options: HandshakeOptions,
  completion: Completion,
): Session {
  return new Session({
    role,
    peerKey: options.peerKey,
    keepAliveMs: options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS,
    hasControlStream: options.hasControlStream ?? false,
    ...completion,
  });
}
