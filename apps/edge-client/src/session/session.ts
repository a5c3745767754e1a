import { edgeError, type EdgeClientError } from '../errors.ts';
import { AsyncQueue } from './async-queue.ts';
import type { DatagramPath, SessionPath, SessionRelays } from './datagram-path.ts';
import { PathHistory, type PathChange } from './path-history.ts';
import { deferred } from './deferred.ts';
import { certificateHoldsKey } from './device-certificate.ts';
import { isCertificateAlert, type QuicEngine, type QuicStats, type StreamDirection } from './quic-engine.ts';
import { SessionDriver } from './session-driver.ts';
import { CLOSE_CODE, DATAGRAM_APP_QUEUE, MAX_PEER_STREAMS } from './session-limits.ts';
import { SessionStream, type StreamPort } from './session-stream.ts';

/** How a session came to its end. */
export interface SessionClosure {
  readonly by: 'local' | 'peer' | 'idle-timeout' | 'error';
  /** 0 for a normal end; applications use 256 and up. */
  readonly code: number;
  readonly reason: string;
  /** What the streams failed with, unless the end was a normal one. */
  readonly error?: EdgeClientError;
}

export interface SessionStats extends QuicStats {
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Not taken by `sendDatagram`. */
  readonly datagramsRefused: number;
  /** Arrived, and lost because the app was too slow. */
  readonly datagramsDropped: number;
  /** Times that the path took no packet. */
  readonly pathBlocked: number;
  readonly openStreams: number;
  /** Connectivity checks for the paths of the session, those to predicted and guessed ports too. */
  readonly checksSent: number;
}

/** Hears how packets travel from now on, and through which relays. */
export type PathListener = (path: SessionPath, relays: SessionRelays | undefined) => void;

/** What a handshake passes on. */
export interface SessionOptions {
  readonly role: 'caller' | 'callee';
  readonly engine: QuicEngine;
  readonly path: DatagramPath;
  readonly peerKey: Uint8Array;
  readonly connectionIds: readonly string[];
  readonly keepAliveMs: number;
  readonly signallingMs: number;
  /** See {@link Session.control}. Both ends have it, or none. */
  readonly hasControlStream: boolean;
}

/**
 * An end-to-end encrypted channel between two devices: reliable streams and unreliable datagrams, over a path that may
 * change at any time. Nothing reaches the app before the other end has proved that it holds the expected device key.
 */
export class Session {
  readonly role: 'caller' | 'callee';
  /** Resolves when the other end is verified; rejects with the error that prevented it. */
  readonly ready: Promise<void>;
  /** How it ended; never rejects. */
  readonly closed: Promise<SessionClosure>;
  /**
   * SDK only: the first stream of the caller, which apps never see, for what the SDK itself has to say. Rejects when the session
   * has none, or ends before it is there.
   */
  readonly control: Promise<SessionStream>;
  /** Streams that the other end opened; one consumer. */
  readonly incomingStreams: AsyncIterable<SessionStream>;
  /** What the other end sent by `sendDatagram`, unless `onDatagram` is used; one consumer. */
  readonly datagrams: AsyncIterable<Uint8Array>;
  private readonly options: SessionOptions;
  private readonly engine: QuicEngine;
  private readonly driver: SessionDriver;
  private readonly port: StreamPort;
  private readonly becomingReady = deferred<undefined>();
  private readonly closing = deferred<SessionClosure>();
  private readonly controlling = deferred<SessionStream>();
  private readonly streams = new Map<number, SessionStream>();
  private readonly streamQueue = new AsyncQueue<SessionStream>(2 * MAX_PEER_STREAMS);
  private readonly datagramQueue = new AsyncQueue<Uint8Array>(DATAGRAM_APP_QUEUE);
  private readonly datagramListeners = new Set<(bytes: Uint8Array) => void>();
  private readonly pathListeners = new Set<PathListener>();
  private readonly travelled: PathHistory;
  private readonly counters = { sent: 0, received: 0, refused: 0, dropped: 0 };
  private isVerified = false;
  private failure: EdgeClientError | undefined;
  private abortedWith: EdgeClientError | undefined;
  private datagramLimit = 0;

  /** Made by `CallerHandshake` and `CalleeHandshake`. */
  constructor(options: SessionOptions) {
    this.options = options;
    this.role = options.role;
    this.travelled = new PathHistory(options.path.state, options.path.relays?.());
    this.engine = options.engine;
    this.ready = this.becomingReady.promise;
    this.closed = this.closing.promise;
    this.control = this.controlling.promise;
    this.incomingStreams = this.streamQueue;
    this.datagrams = this.datagramQueue;
    this.driver = new SessionDriver({
      ...options,
      events: {
        established: () => this.verify(),
        exchange: () => this.exchange(),
        ended: () => this.finish(),
      },
    });
    this.port = {
      read: (id) => this.engine.readStream(id),
      write: (id, bytes, fin) => this.engine.writeStream(id, bytes, fin),
      abandon: (id, side, code) => this.engine.abandonStream(id, side, code),
      wake: (asks) => this.driver.wake(asks),
    };
    options.path.onPath((state) => {
      // The next path may be there already when the end of the one before is told.
      const relays = state === 'relayed' ? options.path.relays?.() : undefined;
      this.travelled.note(state, relays);
      this.driver.wake(false);
      for (const listener of this.pathListeners) listener(state, relays);
    });
  }

  /** How packets travel now. */
  get path(): SessionPath {
    return this.options.path.state;
  }

  /** Through which relays packets travel now; undefined where they travel directly, or nowhere. */
  get relays(): SessionRelays | undefined {
    return this.path === 'relayed' ? this.options.path.relays?.() : undefined;
  }

  /** How packets travelled since the session exists, also before `openSession` resolved. */
  get pathHistory(): readonly PathChange[] {
    return this.travelled.changes;
  }

  /** The largest datagram that fits one packet; 0 before `ready`. */
  get maxDatagramSize(): number {
    return this.datagramLimit;
  }

  /**
   * Opens a stream. The other end sees it with its first bytes.
   *
   * @throws EDGE_SESSION_NOT_READY, EDGE_STREAM_LIMIT, or what ended the session
   */
  openStream({ direction = 'bidirectional' }: { direction?: StreamDirection } = {}): SessionStream {
    if (this.failure !== undefined) throw this.failure;
    if (!this.isVerified) throw edgeError('EDGE_SESSION_NOT_READY');
    const stream = new SessionStream(this.port, {
      id: this.engine.openStream(direction),
      direction,
      openedBy: 'us',
    });
    this.streams.set(stream.id, stream);
    return stream;
  }

  /** Sends bytes that may get lost or overtake each other. False (and counted) when they were not taken. */
  sendDatagram(bytes: Uint8Array): boolean {
    const isTaken = this.isVerified && this.failure === undefined && this.engine.sendDatagram(bytes);
    if (!isTaken) {
      this.counters.refused += 1;
      return false;
    }
    this.counters.sent += 1;
    this.driver.wake(true);
    return true;
  }

  /**
   * Calls `listener` for each datagram; while there is one, `datagrams` stays empty. The bytes are the app's, but part of a
   * larger buffer: copy what you keep for long. Returns the way to stop.
   */
  onDatagram(listener: (bytes: Uint8Array) => void): () => void {
    this.datagramListeners.add(listener);
    return () => this.datagramListeners.delete(listener);
  }

  /** Calls `listener` at each change of path, also from one relay to another. Returns the way to stop. */
  onPath(listener: PathListener): () => void {
    this.pathListeners.add(listener);
    return () => this.pathListeners.delete(listener);
  }

  /**
   * Looks for a path anew, from nothing (ICE restart, RFC 8445 section 9), with the addresses that this device has now. The SDK does
   * so by itself when no path is left; this is for an app that knows earlier, as when a VPN was switched. Data stays on the old
   * path until a new one is found.
   *
   * @throws EDGE_NOT_CONNECTED while the other end can't be told, EDGE_SESSION_NOT_READY, or what ended the session
   */
  restartPath(): void {
    if (this.failure !== undefined) throw this.failure;
    if (!this.isVerified) throw edgeError('EDGE_SESSION_NOT_READY');
    if (this.options.path.restart?.() === false) throw edgeError('EDGE_NOT_CONNECTED');
  }

  stats(): SessionStats {
    const { foreign, blocked } = this.driver.counters;
    const quic = this.engine.stats();
    return {
      ...quic,
      datagramsSent: this.counters.sent,
      datagramsReceived: this.counters.received,
      datagramsRefused: this.counters.refused,
      datagramsDropped: this.counters.dropped,
      packetsRejected: foreign + quic.packetsRejected,
      pathBlocked: blocked,
      openStreams: this.streams.size,
      checksSent: this.options.path.checksSent?.() ?? 0,
    };
  }

  /**
   * Ends the session at once, as QUIC does: what the other end has not acknowledged is lost. To be sure of it, `end()` the
   * streams and wait for their `finished` first.
   */
  close({
    code = CLOSE_CODE.normal,
    reason = '',
  }: { code?: number; reason?: string } = {}): Promise<SessionClosure> {
    this.driver.close(code, reason);
    return this.closed;
  }

  /** Ends the session because of `error`, which everything that waits fails with. */
  abort(error: EdgeClientError): void {
    this.abortedWith ??= error;
    this.driver.close(CLOSE_CODE.internal, error.code);
  }

  /** TLS has refused any other key already; this is the second look, before the app gets or gives a byte. */
  private verify(): void {
    const certificate = this.engine.peerCertificate();
    if (certificate === undefined || !certificateHoldsKey(certificate, this.options.peerKey)) {
      this.abortedWith = edgeError('EDGE_PEER_KEY_MISMATCH');
      this.engine.close(false, BAD_CERTIFICATE, '');
      return;
    }
    this.isVerified = true;
    this.datagramLimit = this.engine.maxDatagramSize();
    if (this.options.hasControlStream && this.role === 'caller') this.controlling.resolve(this.openStream());
    this.becomingReady.resolve(undefined);
  }

  private exchange(): boolean {
    if (!this.isVerified || this.failure !== undefined) return false;
    let hasMore = false;
    if (this.engine.isReadable()) {
      this.readDatagrams();
      // still: to list the streams costs more than to ask whether there is any
      if (this.engine.isReadable()) this.announceReadableStreams();
    }
    for (const stream of this.streams.values()) {
      if (stream.resumeWrites()) hasMore = true;
      if (stream.isDone() && this.engine.releaseStream(stream.id)) {
        this.streams.delete(stream.id);
        stream.settle();
      }
    }
    return hasMore;
  }

  private readDatagrams(): void {
    for (;;) {
      const bytes = this.engine.readDatagram();
      if (bytes === undefined) return;
      this.counters.received += 1;
      if (this.datagramListeners.size === 0) {
        if (!this.datagramQueue.push(bytes)) this.counters.dropped += 1;
      } else for (const listener of this.datagramListeners) listener(bytes);
    }
  }

  private announceReadableStreams(): void {
    for (const id of this.engine.readableStreams()) {
      const known = this.streams.get(id);
      if (known === undefined) this.acceptStream(id);
      else known.notifyReadable();
    }
  }

  private acceptStream(id: number): void {
    // RFC 9000 section 2.1
    const direction = (id & 2) === 0 ? 'bidirectional' : 'unidirectional';
    const stream = new SessionStream(this.port, { id, direction, openedBy: 'peer' });
    this.streams.set(id, stream);
    if (this.options.hasControlStream && id === CONTROL_STREAM_ID) this.controlling.resolve(stream);
    else this.streamQueue.push(stream);
  }

  private finish(): void {
    const closure = this.describeEnd();
    this.failure = closure.error ?? edgeError('EDGE_SESSION_CLOSED');
    this.becomingReady.reject(this.failure);
    this.controlling.reject(this.failure);
    for (const stream of this.streams.values()) stream.fail(this.failure);
    this.streams.clear();
    this.streamQueue.end();
    this.datagramQueue.end();
    this.closing.resolve(closure);
  }

  private describeEnd(): SessionClosure {
    const end = this.engine.closure();
    if (this.abortedWith !== undefined) {
      return {
        by: 'error',
        code: end?.code ?? CLOSE_CODE.internal,
        reason: end?.reason ?? '',
        error: this.abortedWith,
      };
    }
    if (end === undefined)
      return { by: 'error', code: CLOSE_CODE.internal, reason: '', error: edgeError('EDGE_QUIC_FAILED') };
    const { by, code, reason } = end;
    if (by === 'idle-timeout') return { by, code, reason, error: edgeError('EDGE_SESSION_TIMEOUT') };
    if (end.isApplication) return { by, code, reason };
    // quiche turns a close of ours before the end of the handshake into APPLICATION_ERROR (RFC 9000 section 10.2.3)
    const isOurs = by === 'local';
    if (code === APPLICATION_ERROR) {
      return isOurs
        ? { by, code: CLOSE_CODE.normal, reason }
        : { by, code, reason, error: edgeError('EDGE_SESSION_CLOSED') };
    }
    if (isCertificateAlert(end)) {
      return {
        by: 'error',
        code,
        reason,
        error: edgeError(isOurs ? 'EDGE_PEER_KEY_MISMATCH' : 'EDGE_REFUSED_BY_PEER'),
      };
    }
    return { by: 'error', code, reason, error: edgeError('EDGE_QUIC_FAILED', { cause: end }) };
  }
}

/** The first bidirectional stream of the QUIC client (RFC 9000 section 2.1). */
const CONTROL_STREAM_ID = 0;

/** RFC 9000 section 20.1. */
const APPLICATION_ERROR = 0x0c;

/** CRYPTO_ERROR with the TLS alert bad_certificate (RFC 9001 section 4.8). */
const BAD_CERTIFICATE = 0x12a;
