import { Duplex } from 'node:stream';
import { edgeError, type EdgeClientError } from '../errors.ts';
import { deferred, type Deferred } from './deferred.ts';
import type { StreamAbandoned, StreamChunk, StreamDirection } from './quic-engine.ts';

/** What a stream needs of its session. */
export interface StreamPort {
  read(id: number): StreamChunk | StreamAbandoned | undefined;
  write(id: number, bytes: Uint8Array, fin: boolean): number | StreamAbandoned;
  abandon(id: number, side: 'read' | 'write', code: number): void;
  /** Something changed that needs a turn of the driver; `asks`: bytes for the other end. */
  wake(asks: boolean): void;
}

export interface StreamOptions {
  readonly id: number;
  readonly direction: StreamDirection;
  readonly openedBy: 'us' | 'peer';
}

interface PendingWrite {
  readonly bytes: Uint8Array;
  readonly fin: boolean;
  readonly done: Deferred<undefined>;
  taken: number;
}

/** Bytes handed to the engine at once, so that a large write does not hold up the event loop. */
const WRITE_SLICE_BYTES = 256 * 1024;
const RESET_BY_APP = 0;
const RESET_BY_PIPELINE = 1;
/**
 * The last byte of each direction, which no app sees. An end without a byte of its own is not reliable with quiche: once the bytes
 * before it are acknowledged it forgets the stream, and an end that has not left, or got lost, never reaches the other side.
 */
const END_MARK = Uint8Array.of(0);

/**
 * One ordered, reliable stream of bytes. Reading is pulled and writing resolves when QUIC has taken the bytes, so a slow
 * reader slows the writer at the other end.
 *
 * @example
 * const stream = session.openStream();
 * await pipeline(createReadStream('photo.jpg'), stream.toDuplex());
 */
export class SessionStream implements AsyncIterable<Uint8Array> {
  readonly id: number;
  readonly direction: StreamDirection;
  /** Both directions are done and the other end has acknowledged all of ours; rejects when it never comes to that. */
  readonly finished: Promise<void>;
  private readonly port: StreamPort;
  private readonly finishing = deferred<undefined>();
  private readonly writes: PendingWrite[] = [];
  private readable: Deferred<undefined> | undefined;
  private reading: 'open' | 'ended' | EdgeClientError;
  private writing: 'open' | 'ending' | 'ended' | EdgeClientError;

  constructor(port: StreamPort, { id, direction, openedBy }: StreamOptions) {
    this.port = port;
    this.id = id;
    this.direction = direction;
    this.finished = this.finishing.promise;
    const isOneWay = direction === 'unidirectional';
    this.reading = isOneWay && openedBy === 'us' ? 'ended' : 'open';
    this.writing = isOneWay && openedBy === 'peer' ? 'ended' : 'open';
  }

  /**
   * The next bytes, or undefined at the end.
   *
   * @throws EDGE_STREAM_RESET, EDGE_SESSION_CLOSED or the cause that ended the session
   */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.reading === 'ended') return undefined;
      if (this.reading !== 'open') throw this.reading;
      const chunk = this.port.read(this.id);
      if (chunk === undefined) {
        this.readable ??= deferred();
        await this.readable.promise;
      } else if ('abandoned' in chunk) {
        this.reading = edgeError('EDGE_STREAM_RESET', { cause: chunk });
      } else {
        const { bytes, fin } = chunk;
        if (fin) this.reading = 'ended';
        // a wake-up lets the engine grant more credit, and settles `finished` at the end
        this.port.wake(false);
        const length = bytes.length - (fin ? END_MARK.length : 0);
        if (length > 0) return bytes.subarray(0, length);
      }
    }
  }

  /**
   * Sends bytes; resolves when QUIC has taken them all. They must not change until then.
   *
   * @throws EDGE_STREAM_STOPPED, EDGE_STREAM_ENDED, EDGE_SESSION_CLOSED or the cause that ended the session
   */
  write(bytes: Uint8Array): Promise<void> {
    if (this.writing === 'open' && bytes.length === 0) return Promise.resolve();
    return this.enqueue(bytes, false);
  }

  /** Ends our direction after all that was written. */
  end(): Promise<void> {
    const result = this.enqueue(END_MARK, true);
    if (this.writing === 'open') this.writing = 'ending';
    return result;
  }

  /** Gives up both directions; the other end gets EDGE_STREAM_RESET and EDGE_STREAM_STOPPED. */
  reset(code = RESET_BY_APP): void {
    const error = edgeError('EDGE_STREAM_RESET', { message: 'The stream was abandoned on this side.' });
    if (this.reading === 'open') this.port.abandon(this.id, 'read', code);
    if (!this.isWritingDone()) this.port.abandon(this.id, 'write', code);
    this.fail(error);
    this.port.wake(true);
  }

  /** The stream for `node:stream`; use either this or the methods above. */
  toDuplex(): Duplex {
    const duplex = new Duplex({
      read: () => {
        this.read().then(
          (bytes) => duplex.push(bytes ?? null),
          (error: unknown) => duplex.destroy(error as Error),
        );
      },
      write: (chunk: Uint8Array, _encoding, done) => {
        this.write(chunk).then(() => done(), done);
      },
      final: (done) => {
        if (this.writing === 'ended') done();
        else this.end().then(() => done(), done);
      },
      destroy: (error, done) => {
        if (this.reading === 'open' || !this.isWritingDone()) this.reset(RESET_BY_PIPELINE);
        done(error);
      },
    });
    // a stream of one direction is a duplex whose other direction is over
    if (this.reading === 'ended') duplex.push(null);
    if (this.writing === 'ended') duplex.end();
    return duplex;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (let bytes = await this.read(); bytes !== undefined; bytes = await this.read()) yield bytes;
  }

  /** Session only: there are bytes to read, or the end. */
  notifyReadable(): void {
    this.readable?.resolve(undefined);
    this.readable = undefined;
  }

  /** Session only: goes on with writes that wait; true when more could be written in another turn. */
  resumeWrites(): boolean {
    const [next] = this.writes;
    if (next === undefined) return false;
    const slice = next.bytes.subarray(next.taken, next.taken + WRITE_SLICE_BYTES);
    const isLastSlice = next.taken + slice.length === next.bytes.length;
    const taken = this.port.write(this.id, slice, next.fin && isLastSlice);
    if (typeof taken !== 'number') {
      this.failWriting(edgeError('EDGE_STREAM_STOPPED', { cause: taken }));
      return false;
    }
    next.taken += taken;
    if (taken < slice.length) return false;
    if (!isLastSlice) return true;
    this.writes.shift();
    if (next.fin) this.writing = 'ended';
    next.done.resolve(undefined);
    return this.writes.length > 0;
  }

  /** Session only: both directions are over on this side. */
  isDone(): boolean {
    return this.reading !== 'open' && this.isWritingDone();
  }

  /** Session only: the engine has forgotten the stream. */
  settle(): void {
    const error = [this.reading, this.writing].find((state) => typeof state !== 'string');
    if (error === undefined) this.finishing.resolve(undefined);
    else this.finishing.reject(error);
  }

  /** Session only: everything that waits fails with `error`. */
  fail(error: EdgeClientError): void {
    if (this.reading === 'open') this.reading = error;
    this.notifyReadable();
    this.failWriting(error);
    this.finishing.reject(error);
  }

  private enqueue(bytes: Uint8Array, fin: boolean): Promise<void> {
    if (this.writing === 'ending' || this.writing === 'ended') {
      return Promise.reject(edgeError('EDGE_STREAM_ENDED'));
    }
    if (this.writing !== 'open') return Promise.reject(this.writing);
    const write: PendingWrite = { bytes, fin, taken: 0, done: deferred() };
    this.writes.push(write);
    // the first in line is tried at once, the rest when it is through
    if (this.writes.length === 1) this.resumeWrites();
    this.port.wake(true);
    return write.done.promise;
  }

  private isWritingDone(): boolean {
    return this.writing !== 'open' && this.writing !== 'ending';
  }

  private failWriting(error: EdgeClientError): void {
    if (!this.isWritingDone()) this.writing = error;
    for (const write of this.writes.splice(0)) write.done.reject(error);
  }
}
