import { edgeError } from '../errors.ts';
import type { SessionStream } from '../session/session-stream.ts';

/** Reads a stream by counted bytes, whatever the chunks are that it arrives in. */
export class StreamReader {
  readonly #stream: Pick<SessionStream, 'read'>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: Pick<SessionStream, 'read'>) {
    this.#stream = stream;
  }

  /** Between 1 and `length` bytes. @throws EDGE_FILE_TRUNCATED at the end of the stream */
  async atMost(length: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) {
      const chunk = await this.#stream.read();
      if (!chunk) throw edgeError('EDGE_FILE_TRUNCATED');
      this.#rest = chunk;
    }
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  /** @throws EDGE_FILE_TRUNCATED */
  async exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const part = await this.atMost(length - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }
}
