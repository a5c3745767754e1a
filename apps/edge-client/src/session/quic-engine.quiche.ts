import type { Config, Connection } from '@matrixai/quic/native/types.js';
import { edgeError } from '../errors.ts';
import { splitCoalesced } from './coalesced-packets.ts';
import type {
  QuicClosure,
  QuicEngine,
  QuicEngineOptions,
  QuicStats,
  StreamAbandoned,
  StreamChunk,
  StreamDirection,
} from './quic-engine.ts';
import {
  DATAGRAM_RECEIVE_QUEUE,
  DATAGRAM_SEND_QUEUE,
  MAX_PEER_STREAMS,
  MAX_STREAM_WINDOW_BYTES,
  MAX_UDP_PAYLOAD_BYTES,
  RECEIVE_CREDIT_BYTES,
} from './session-limits.ts';

/**
 * quiche through its Node binding, without the binding's sockets. Both ends use made-up addresses that never change, so that
 * to QUIC there is one path for ever; what carries the packets may change below it.
 */
type Binding = (typeof import('@matrixai/quic/native/quiche.js'))['default'];

const ALPN = 'parley/1';
const SIGNATURE_ALGORITHMS = 'ed25519';
const CLIENT_ADDRESS = { host: '127.0.0.1', port: 1 };
const SERVER_ADDRESS = { host: '127.0.0.1', port: 2 };
const AT_CLIENT = { from: SERVER_ADDRESS, to: CLIENT_ADDRESS };
const AT_SERVER = { from: CLIENT_ADDRESS, to: SERVER_ADDRESS };

/** Reads land in slabs of this size, so that a read copies once and allocates seldom. */
const READ_SLAB_BYTES = 64 * 1024;
const MIN_READ_BYTES = 8 * 1024;

const NO_BYTES = new Uint8Array(0);
const UTF8 = { encoder: new TextEncoder(), decoder: new TextDecoder() };

/** The binding, or why there is none; found out when the module loads, told when an engine is asked for. */
const loaded: { binding: Binding } | { cause: unknown } =
  await import('@matrixai/quic/native/quiche.js').then(
    (module) => ({ binding: module.default }),
    (cause: unknown) => ({ cause }),
  );

/** Whether sessions can be opened on this platform. */
export function isQuicAvailable(): boolean {
  return 'binding' in loaded;
}

/**
 * One QUIC connection over quiche.
 *
 * @throws EDGE_QUIC_UNAVAILABLE where the platform has no binary, EDGE_QUIC_FAILED when keys or certificates are refused
 */
export function createQuicheEngine(side: 'client' | 'server', options: QuicEngineOptions): QuicEngine {
  if (!('binding' in loaded)) throw edgeError('EDGE_QUIC_UNAVAILABLE', { cause: loaded.cause });
  return new QuicheEngine(loaded.binding, side, options);
}

class QuicheEngine implements QuicEngine {
  private readonly connection: Connection;
  private readonly shutdown: Binding['Shutdown'];
  private readonly isServer: boolean;
  private readonly nextStream: Record<StreamDirection, number>;
  private packetsFed = 0;
  private slab: Uint8Array = NO_BYTES;
  private slabUsed = 0;

  constructor(binding: Binding, side: 'client' | 'server', options: QuicEngineOptions) {
    this.isServer = side === 'server';
    this.shutdown = binding.Shutdown;
    // RFC 9000 section 2.1: bit 0 is the initiator, bit 1 the direction
    const initiator = this.isServer ? 1 : 0;
    this.nextStream = { bidirectional: initiator, unidirectional: initiator + 2 };
    const id = options.sourceConnectionId;
    try {
      const config = quicheConfig(binding, options);
      this.connection = this.isServer
        ? binding.Connection.accept(id, undefined, SERVER_ADDRESS, CLIENT_ADDRESS, config)
        : binding.Connection.connect(undefined, id, CLIENT_ADDRESS, SERVER_ADDRESS, config);
    } catch (cause) {
      throw edgeError('EDGE_QUIC_FAILED', { message: 'QUIC refused the keys or the settings.', cause });
    }
  }

  recv(payload: Uint8Array): void {
    // one that it cannot read makes quiche throw away what follows in the same payload: a voice frame, behind a repeated
    // packet of the handshake whose keys are gone
    for (const packet of splitCoalesced(payload)) {
      this.packetsFed += 1;
      this.recvOne(packet);
    }
  }

  private recvOne(packet: Uint8Array): void {
    try {
      this.connection.recv(packet, this.isServer ? AT_SERVER : AT_CLIENT);
    } catch (error) {
      // quiche has closed the connection and says why in closure(); it throws for nothing else
      if (this.closure() === undefined && !this.connection.isClosed()) throw this.broken(error);
    }
  }

  send(into: Uint8Array): number {
    try {
      return this.connection.send(into)?.[0] ?? 0;
    } catch (error) {
      if (this.closure() === undefined) throw this.broken(error);
      return 0;
    }
  }

  timeoutMs(): number | undefined {
    const left = this.connection.timeout();
    // the binding cuts off fractions: without the one more, the timer would fire too early and spin
    return left === null ? undefined : left + 1;
  }

  handleTimeout(): void {
    this.connection.onTimeout();
  }

  isEstablished(): boolean {
    return this.connection.isEstablished();
  }

  isDraining(): boolean {
    return this.connection.isDraining();
  }

  isClosed(): boolean {
    return this.connection.isClosed();
  }

  closure(): QuicClosure | undefined {
    if (this.connection.isTimedOut()) {
      return { by: 'idle-timeout', isApplication: false, code: 0, reason: '' };
    }
    const own = this.connection.localError();
    const error = own ?? this.connection.peerError();
    if (error === null) return undefined;
    const reason = UTF8.decoder.decode(error.reason);
    return { by: own === null ? 'peer' : 'local', isApplication: error.isApp, code: error.errorCode, reason };
  }

  peerCertificate(): Uint8Array | undefined {
    return this.connection.peerCertChain()?.[0];
  }

  close(application: boolean, code: number, reason: string): void {
    if (this.connection.isClosed() || this.connection.isDraining()) return;
    this.connection.close(application, code, UTF8.encoder.encode(reason));
  }

  ping(): void {
    this.connection.sendAckEliciting();
  }

  stats(): QuicStats {
    const all = this.connection.stats();
    const path = this.connection.pathStats()[0];
    return {
      rttMs: path?.rtt ?? 0,
      congestionWindowBytes: path?.cwnd ?? 0,
      packetsSent: all.sent,
      packetsReceived: all.recv,
      // quiche counts a packet when it has been decrypted and is no repetition
      packetsRejected: this.packetsFed - all.recv,
      packetsLost: all.lost,
      bytesSent: all.sentBytes,
      bytesReceived: all.recvBytes,
    };
  }

  openStream(direction: StreamDirection): number {
    const id = this.nextStream[direction];
    try {
      // no bytes and no end: makes the stream here and puts nothing on the wire
      this.connection.streamSend(id, NO_BYTES, false);
    } catch (cause) {
      throw edgeError('EDGE_STREAM_LIMIT', { cause });
    }
    this.nextStream[direction] = id + 4;
    return id;
  }

  isReadable(): boolean {
    return this.connection.isReadable();
  }

  readableStreams(): readonly number[] {
    return [...this.connection.readable()];
  }

  readStream(id: number): StreamChunk | StreamAbandoned | undefined {
    this.makeRoom(MIN_READ_BYTES);
    try {
      const result = this.connection.streamRecv(id, this.slab.subarray(this.slabUsed));
      if (result === null) return undefined;
      const [length, fin] = result;
      return { bytes: this.takeFromSlab(length), fin };
    } catch (error) {
      return this.abandonedBy(error, 'reset');
    }
  }

  writeStream(id: number, bytes: Uint8Array, fin: boolean): number | StreamAbandoned {
    try {
      const taken = this.connection.streamSend(id, bytes, fin);
      if (taken !== null) return taken;
      // quiche answers a write to a stream that it has forgotten as if it were blocked
      return this.isForgotten(id) ? { abandoned: 'stopped', code: 0 } : 0;
    } catch (error) {
      return this.abandonedBy(error, 'stopped');
    }
  }

  abandonStream(id: number, side: 'read' | 'write', code: number): void {
    try {
      this.connection.streamShutdown(id, side === 'read' ? this.shutdown.Read : this.shutdown.Write, code);
    } catch (error) {
      // a stream that is over on that side, or was never open there, needs nothing more
      if (!(error instanceof Error) || !/InvalidStreamState|FinalSize/.test(error.message))
        throw this.broken(error);
    }
  }

  releaseStream(id: number): boolean {
    if (this.isForgotten(id)) return true;
    // a reset keeps the stream alive until it is read once more after our own side is through
    if (!isUnidirectional(id)) this.readStream(id);
    return false;
  }

  maxDatagramSize(): number {
    return this.connection.isEstablished() ? (this.connection.dgramMaxWritableLen() ?? 0) : 0;
  }

  sendDatagram(bytes: Uint8Array): boolean {
    try {
      return this.connection.dgramSend(bytes) !== null;
    } catch (error) {
      if (/InvalidState|BufferTooShort/.test(reasonOf(error))) return false;
      throw this.broken(error);
    }
  }

  readDatagram(): Uint8Array | undefined {
    // into the slab: bytes that the binding allocates by itself cost the garbage collector more than QUIC costs us
    this.makeRoom(MAX_UDP_PAYLOAD_BYTES);
    const length = this.connection.dgramRecv(
      this.slab.subarray(this.slabUsed, this.slabUsed + MAX_UDP_PAYLOAD_BYTES),
    );
    return length === null ? undefined : this.takeFromSlab(length);
  }

  private makeRoom(bytes: number): void {
    if (this.slab.length - this.slabUsed >= bytes) return;
    this.slab = Buffer.allocUnsafeSlow(READ_SLAB_BYTES);
    this.slabUsed = 0;
  }

  private takeFromSlab(length: number): Uint8Array {
    const bytes = this.slab.subarray(this.slabUsed, this.slabUsed + length);
    this.slabUsed += length;
    return bytes;
  }

  private isForgotten(id: number): boolean {
    try {
      this.connection.streamCapacity(id);
      return false;
    } catch (error) {
      // a stopped stream still exists
      return reasonOf(error).startsWith('InvalidStreamState');
    }
  }

  private abandonedBy(error: unknown, side: 'reset' | 'stopped'): StreamAbandoned {
    const code = /^Stream(?:Reset|Stopped)\((\d+)\)$/.exec(reasonOf(error))?.[1];
    // any other refusal (the stream is over, or the connection) ends this use of the stream just as well
    return { abandoned: side, code: code === undefined ? 0 : Number(code) };
  }

  private broken(cause: unknown): Error {
    return edgeError('EDGE_QUIC_FAILED', { cause });
  }
}

/** RFC 9000 section 2.1. */
function isUnidirectional(id: number): boolean {
  return (id & 2) !== 0;
}

/** The binding tells errors apart by their text only. Not `instanceof`: they are made outside of any realm of ours. */
function reasonOf(error: unknown): string {
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return hasMessage && typeof error.message === 'string' ? error.message : '';
}

function quicheConfig(binding: Binding, options: QuicEngineOptions): Config {
  const config = binding.Config.withBoringSslCtx(
    true,
    false,
    UTF8.encoder.encode(options.trustAnchor),
    [UTF8.encoder.encode(options.privateKey)],
    [UTF8.encoder.encode(options.certificate)],
    SIGNATURE_ALGORITHMS,
  );
  config.setApplicationProtos([ALPN]);
  config.setMaxIdleTimeout(options.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(MAX_UDP_PAYLOAD_BYTES);
  config.setMaxSendUdpPayloadSize(MAX_UDP_PAYLOAD_BYTES);
  config.setInitialMaxData(RECEIVE_CREDIT_BYTES);
  config.setInitialMaxStreamDataBidiLocal(RECEIVE_CREDIT_BYTES);
  config.setInitialMaxStreamDataBidiRemote(RECEIVE_CREDIT_BYTES);
  config.setInitialMaxStreamDataUni(RECEIVE_CREDIT_BYTES);
  config.setMaxConnectionWindow(RECEIVE_CREDIT_BYTES);
  config.setMaxStreamWindow(MAX_STREAM_WINDOW_BYTES);
  config.setInitialMaxStreamsBidi(MAX_PEER_STREAMS);
  config.setInitialMaxStreamsUni(MAX_PEER_STREAMS);
  config.setDisableActiveMigration(true);
  config.enableDgram(true, DATAGRAM_RECEIVE_QUEUE, DATAGRAM_SEND_QUEUE);
  config.setCcAlgorithm(binding.CongestionControlAlgorithm.CUBIC);
  // the binding does not let us read when a paced packet is due, and our first round trip includes signalling
  config.enablePacing(false);
  return config;
}
