import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { edgeError } from '../errors.ts';
import type { SessionStream } from '../session/session-stream.ts';
import type { Session } from '../session/session.ts';
import { decodeFileHeader, encodeFileHeader, FILE_STATUS, safeFileName } from './file-header.ts';
import { receiveFile, sendFile, type FileProgress } from './file-transfer.ts';

/** One direction of a stream, in chunks as unlucky as they come. */
class Pipe {
  readonly #chunks: Uint8Array[] = [];
  #isEnded = false;
  #wake: () => void = () => undefined;

  push(bytes: Uint8Array): void {
    this.#chunks.push(Uint8Array.from(bytes));
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#chunks.shift();
  }
}

/** Both ends of a stream without a session; nothing of QUIC. */
function streamPair(): readonly [SessionStream, SessionStream] {
  const there = new Pipe();
  const back = new Pipe();
  const end = (input: Pipe, output: Pipe) => ({
    read: () => input.read(),
    write: (bytes: Uint8Array) => {
      output.push(bytes);
      return Promise.resolve();
    },
    end: () => {
      output.end();
      return Promise.resolve();
    },
    reset: () => output.end(),
  });
  return [end(back, there), end(there, back)] as unknown as [SessionStream, SessionStream];
}

describe('file transfer', () => {
  let folder: string;
  let into: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-files-'));
    into = join(folder, 'in');
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const content = randomBytes(700_000);
  const digest = createHash('sha256').update(content).digest();

  async function source(bytes: Uint8Array = content): Promise<string> {
    const path = join(folder, 'photo.jpg');
    await writeFile(path, bytes);
    return path;
  }

  /** Gives the receiver what a sender might. */
  async function receive(parts: readonly Uint8Array[], options = {}) {
    const [sender, receiver] = streamPair();
    for (const part of parts) await sender.write(part);
    await sender.end();
    const outcome = await receiveFile(receiver, { into, ...options }).catch((error: unknown) => error);
    return { outcome, status: (await sender.read())?.[0] };
  }

  it('carries a file with progress on both sides and checks it at the end', async () => {
    const [sender, receiver] = streamPair();
    const session = { openStream: () => sender } as unknown as Session;
    const progress: FileProgress[] = [];

    const receiving = receiveFile(receiver, { into, onProgress: (step) => progress.push(step) });
    const sent = await sendFile(session, await source(), { onProgress: (step) => progress.push(step) });

    const expected = { name: 'photo.jpg', bytes: content.length, sha256: digest.toString('hex') };
    expect(sent).toEqual(expected);
    expect(await receiving).toEqual({ ...expected, path: join(into, 'photo.jpg') });
    expect((await readFile(join(into, 'photo.jpg'))).equals(content)).toBe(true);
    expect(progress.filter(({ bytes }) => bytes === content.length)).toHaveLength(2);
  });

  it('carries an empty file', async () => {
    const [sender, receiver] = streamPair();
    const receiving = receiveFile(receiver, { into });

    await sendFile({ openStream: () => sender } as unknown as Session, await source(new Uint8Array(0)));

    expect(await receiving).toMatchObject({ bytes: 0, path: join(into, 'photo.jpg') });
  });

  it('never overwrites: a second file of the name gets a number', async () => {
    const parts = [encodeFileHeader({ name: 'a.txt', size: content.length }), content, digest];

    await receive(parts);
    await receive(parts);

    expect((await readdir(into)).sort()).toEqual(['a (1).txt', 'a.txt']);
  });

  it.each([
    [
      'EDGE_FILE_HEADER_INVALID',
      FILE_STATUS.refused,
      () => [new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')],
    ],
    [
      'EDGE_FILE_VERSION_UNKNOWN',
      FILE_STATUS.refused,
      () => [encodeFileHeader({ name: 'a', size: 1 }).with(4, 9)],
    ],
    [
      'EDGE_FILE_TRUNCATED',
      FILE_STATUS.damaged,
      () => [encodeFileHeader({ name: 'a', size: 9 }).subarray(0, 8)],
    ],
    [
      'EDGE_FILE_TRUNCATED',
      FILE_STATUS.damaged,
      () => [encodeFileHeader({ name: 'a', size: 9 }), content.subarray(0, 5)],
    ],
    [
      'EDGE_FILE_DIGEST_MISMATCH',
      FILE_STATUS.damaged,
      () => [encodeFileHeader({ name: 'a', size: 5 }), content.subarray(0, 5), digest],
    ],
    [
      'EDGE_FILE_NAME_UNSAFE',
      FILE_STATUS.refused,
      () => [encodeFileHeader({ name: '../../etc/passwd', size: 1 }), content],
    ],
  ])('refuses what is no whole file: %s', async (code, status, parts) => {
    const { outcome, status: told } = await receive(parts());

    expect(outcome).toMatchObject({ code });
    expect(told).toBe(status);
    expect(await readdir(into).catch(() => [])).toEqual([]);
  });

  it('refuses before it reads: too large, or not wanted', async () => {
    const parts = [encodeFileHeader({ name: 'a', size: content.length }), content, digest];

    expect((await receive(parts, { maxBytes: 10 })).outcome).toMatchObject({ code: 'EDGE_FILE_TOO_LARGE' });
    expect((await receive(parts, { accept: () => false })).outcome).toMatchObject({
      code: 'EDGE_FILE_REFUSED',
    });
    expect(await readdir(into).catch(() => [])).toEqual([]);
  });

  it('tells the sender that the receiver refused, or got other bytes', async () => {
    for (const [status, code] of [
      [FILE_STATUS.refused, 'EDGE_FILE_REFUSED'],
      [FILE_STATUS.damaged, 'EDGE_FILE_DIGEST_MISMATCH'],
    ] as const) {
      const [sender, receiver] = streamPair();
      const sending = sendFile({ openStream: () => sender } as unknown as Session, await source());
      await receiver.write(Uint8Array.of(status));

      await expect(sending).rejects.toMatchObject({ code });
    }
  });

  it('tells a refusal from a broken stream when the receiver stops reading', async () => {
    const [sender, receiver] = streamPair();
    const stopped = Object.assign(sender, { write: () => Promise.reject(edgeError('EDGE_STREAM_STOPPED')) });
    const sending = sendFile({ openStream: () => stopped } as unknown as Session, await source());
    await receiver.write(Uint8Array.of(FILE_STATUS.refused));

    await expect(sending).rejects.toMatchObject({ code: 'EDGE_FILE_REFUSED' });
  });

  it('sends regular files only', async () => {
    await mkdir(into);
    const session = { openStream: () => streamPair()[0] } as unknown as Session;

    await expect(sendFile(session, into)).rejects.toMatchObject({ code: 'EDGE_FILE_UNREADABLE' });
    await expect(sendFile(session, join(folder, 'absent'))).rejects.toMatchObject({
      code: 'EDGE_FILE_UNREADABLE',
    });
  });
});

describe('the file header', () => {
  it('reads what it writes', () => {
    const header = { name: 'Größe – 大.bin', size: 2 ** 40 };

    expect(decodeFileHeader(encodeFileHeader(header))).toEqual(header);
  });

  it.each(['exe\u202etxt.bin', 'a\u0085b', '\u2066a'])(
    'refuses characters that lead the eye astray: %j',
    (name) => {
      expect(() => safeFileName(name)).toThrow(expect.objectContaining({ code: 'EDGE_FILE_NAME_UNSAFE' }));
    },
  );

  it('refuses names that are empty or too long', () => {
    for (const name of ['', 'a'.repeat(256)]) {
      expect(() => encodeFileHeader({ name, size: 1 })).toThrow(
        expect.objectContaining({ code: 'EDGE_FILE_NAME_UNSAFE' }),
      );
    }
  });

  it.each(['a.txt', 'Größe – 大.bin', 'archive.tar.gz', 'console.log'])('takes the name %s', (name) => {
    expect(safeFileName(name)).toBe(name);
  });

  it.each([
    '..',
    '.',
    '.bashrc',
    'a/b',
    'a\\b',
    '/etc/passwd',
    'C:evil',
    'a\u0000b',
    'a\nb',
    'nul',
    'CON.txt',
    'a. ',
    'a*',
    ' a',
  ])('refuses the name %j', (name) => {
    expect(() => safeFileName(name)).toThrow(expect.objectContaining({ code: 'EDGE_FILE_NAME_UNSAFE' }));
  });
});
