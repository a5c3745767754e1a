/** Everything one end needs to start; keys and certificates are PEM. */
export interface QuicEngineOptions {
  readonly sourceConnectionId: Uint8Array;
  readonly certificate: string;
  readonly privateKey: string;
  /** The only certificate authority that the other end's leaf may come from. */
  readonly trustAnchor: string;
  readonly idleTimeoutMs: number;
}

export interface QuicStats {
  readonly rttMs: number;
  readonly congestionWindowBytes: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Fed, and malformed, replayed or not from the other end. */
  readonly packetsRejected: number;
  readonly packetsLost: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Why a connection ended, in terms of QUIC. */
export interface QuicClosure {
  readonly by: 'local' | 'peer' | 'idle-timeout';
  /** True for a code of the application, false for one of the transport or of TLS (0x100 + alert). */
  readonly isApplication: boolean;
  readonly code: number;
  readonly reason: string;
}

export type StreamDirection = 'bidirectional' | 'unidirectional';

/** Bytes of one read; `fin` when they are the last. */
export interface StreamChunk {
  readonly bytes: Uint8Array;
  readonly fin: boolean;
}

/** Thrown away by the other end: `reset` ends our reading, `stopped` our writing. */
export interface StreamAbandoned {
  readonly abandoned: 'reset' | 'stopped';
  readonly code: number;
}

/**
 * One QUIC connection without I/O: packets in, packets out. No method reads from or writes to a socket or owns a timer, and
 * none throws except where it says so. The engine has its own monotonic clock, hence a delay and not an instant.
 */
export interface QuicEngine {
  /**
   * Feeds one UDP payload; its bytes are overwritten (decryption in place). One that is malformed, replayed or not from the other
   * end changes nothing and is counted in `stats()`; one that is authentic but breaks the
   * rules ends the connection.
   */
  recv(payload: Uint8Array): void;
  /** Writes the next packet into `into` (at least 1,200 bytes); its length, or 0 when there is nothing to send. */
  send(into: Uint8Array): number;
  /** Milliseconds until {@link handleTimeout} must run. */
  timeoutMs(): number | undefined;
  handleTimeout(): void;

  isEstablished(): boolean;
  /** Closing, but the last packets may still be on their way. */
  isDraining(): boolean;
  isClosed(): boolean;
  closure(): QuicClosure | undefined;
  /** DER of the other end's leaf certificate. */
  peerCertificate(): Uint8Array | undefined;
  close(application: boolean, code: number, reason: string): void;
  /** Makes the next packet ask for an acknowledgement. */
  ping(): void;
  stats(): QuicStats;

  /** Opens a stream and gives its id. @throws EDGE_STREAM_LIMIT */
  openStream(direction: StreamDirection): number;
  /** True when a stream or a datagram waits to be read. Cheap. */
  isReadable(): boolean;
  readableStreams(): readonly number[];
  readStream(id: number): StreamChunk | StreamAbandoned | undefined;
  /** How many bytes were taken (0: blocked); `fin` counts only when all were. */
  writeStream(id: number, bytes: Uint8Array, fin: boolean): number | StreamAbandoned;
  /** RESET_STREAM for what we write, STOP_SENDING for what we read. */
  abandonStream(id: number, side: 'read' | 'write', code: number): void;
  /** For a stream that is over on our side: true once the other end has everything of ours and it can be forgotten. */
  releaseStream(id: number): boolean;

  /** 0 while datagrams cannot be sent. */
  maxDatagramSize(): number;
  /** False when the queue is full, the datagram too large or the connection not open. */
  sendDatagram(bytes: Uint8Array): boolean;
  readDatagram(): Uint8Array | undefined;
}

/** Makes the engine of one end; the one implementation is `quic-engine.quiche.ts`. */
export type QuicEngineFactory = (side: 'client' | 'server', options: QuicEngineOptions) => QuicEngine;

/** True for the alerts that a TLS stack gives to a certificate that it does not accept (RFC 8446 section 6.2). */
export function isCertificateAlert(closure: QuicClosure): boolean {
  if (closure.isApplication) return false;
  return CERTIFICATE_ALERTS.has(closure.code - CRYPTO_ERROR_BASE);
}

const CRYPTO_ERROR_BASE = 0x100;
/** bad_certificate .. unknown_ca, access_denied, decrypt_error, certificate_required. */
const CERTIFICATE_ALERTS = new Set([42, 43, 44, 45, 46, 48, 49, 51, 116]);
