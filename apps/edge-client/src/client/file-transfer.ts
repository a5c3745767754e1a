import { createHash, randomBytes, type Hash } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { edgeError, EdgeClientError } from '../errors.ts';
import type { SessionStream } from '../session/session-stream.ts';
import type { Session } from '../session/session.ts';
import {
  decodeFileHeader,
  encodeFileHeader,
  FILE_DIGEST_BYTES,
  FILE_HEADER_FIXED_BYTES,
  FILE_STATUS,
  fileHeaderLength,
  safeFileName,
  type FileHeader,
} from './file-header.ts';
import { publishFile } from './publish-file.ts';
import { StreamReader } from './stream-reader.ts';

/** How far a transfer has come. */
export interface FileProgress {
  readonly name: string;
  readonly bytes: number;
  readonly size: number;
}

/** Options of {@link sendFile}. */
export interface SendFileOptions {
  /** @default the file's own name */
  readonly name?: string;
  readonly onProgress?: (progress: FileProgress) => void;
}

/** A file that the receiver has on its disk, by its own word. */
export interface SentFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal SHA-256 of the content. */
  readonly sha256: string;
}

/** What a sender announces before the content. */
export type FileOffer = FileHeader;

/** Options of {@link receiveFile}. */
export interface ReceiveFileOptions {
  /** Folder to write into; made if missing. */
  readonly into: string;
  /** @default no limit */
  readonly maxBytes?: number;
  /** False refuses the file before any content is read. @default every file */
  readonly accept?: (offer: FileOffer) => boolean;
  readonly onProgress?: (progress: FileProgress) => void;
}

/** A file that arrived whole and was checked. */
export interface ReceivedFile extends SentFile {
  /** Where it is; an existing file is never overwritten, the new one gets a number. */
  readonly path: string;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Sends one file on a stream of its own; resolves when the receiver has checked and kept it.
 *
 * @throws EDGE_FILE_UNREADABLE, EDGE_FILE_REFUSED, EDGE_FILE_DIGEST_MISMATCH, EDGE_FILE_TRUNCATED, or what ended the session
 */
export async function sendFile(
  session: Session,
  path: string,
  options: SendFileOptions = {},
): Promise<SentFile> {
  const file = await onDisk(() => open(path, 'r'));
  try {
    const info = await onDisk(() => file.stat());
    if (!info.isFile())
      throw edgeError('EDGE_FILE_UNREADABLE', { message: 'Only regular files can be sent.' });
    const header = { name: options.name ?? basename(path), size: info.size };
    const stream = session.openStream();
    const verdict = readVerdict(stream);
    verdict.catch(() => undefined); // awaited below; a refusal may come while we still write
    try {
      await stream.write(encodeFileHeader(header));
      const sha256 = await sendContent(file, header, stream, options.onProgress);
      await stream.end();
      await verdict;
      return { name: header.name, bytes: header.size, sha256 };
    } catch (thrown) {
      stream.reset();
      // A receiver that refuses stops reading: its verdict says more than the broken write.
      throw isStopped(thrown)
        ? await verdict.then(
            () => thrown,
            (refusal: unknown) => refusal,
          )
        : thrown;
    }
  } finally {
    await file.close();
  }
}

/**
 * Receives the file that a stream carries. It appears in the folder under its final name only when it is whole.
 *
 * @throws EDGE_FILE_HEADER_INVALID, EDGE_FILE_NAME_UNSAFE, EDGE_FILE_TOO_LARGE, EDGE_FILE_REFUSED, EDGE_FILE_TRUNCATED,
 * EDGE_FILE_DIGEST_MISMATCH, EDGE_FILE_UNREADABLE
 */
export async function receiveFile(stream: SessionStream, options: ReceiveFileOptions): Promise<ReceivedFile> {
  const reader = new StreamReader(stream);
  try {
    const header = await readHeader(reader);
    checkOffer(header, options);
    const received = await receiveContent(reader, header, options);
    await tell(stream, FILE_STATUS.received);
    return received;
  } catch (thrown) {
    await refuse(stream, thrown);
    throw thrown;
  }
}

async function sendContent(
  file: FileHandle,
  header: FileHeader,
  stream: SessionStream,
  onProgress: SendFileOptions['onProgress'],
): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  while (bytes < header.size) {
    // A buffer of its own per chunk: the stream keeps it until QUIC has taken it.
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, header.size - bytes));
    const { bytesRead } = await onDisk(() => file.read(chunk, 0, chunk.length, bytes));
    if (bytesRead === 0) throw edgeError('EDGE_FILE_TRUNCATED', { message: 'The file became shorter.' });
    const part = chunk.subarray(0, bytesRead);
    hash.update(part);
    await stream.write(part);
    bytes += bytesRead;
    onProgress?.({ name: header.name, bytes, size: header.size });
  }
  const digest = hash.digest();
  await stream.write(digest);
  return digest.toString('hex');
}

async function readVerdict(stream: SessionStream): Promise<void> {
  const answer = await stream.read();
  if (answer === undefined) throw edgeError('EDGE_FILE_TRUNCATED', { message: 'The receiver said nothing.' });
  if (answer[0] === FILE_STATUS.refused) throw edgeError('EDGE_FILE_REFUSED');
  if (answer[0] !== FILE_STATUS.received) throw edgeError('EDGE_FILE_DIGEST_MISMATCH');
}

async function readHeader(reader: StreamReader): Promise<FileHeader> {
  const fixed = await reader.exactly(FILE_HEADER_FIXED_BYTES);
  const name = await reader.exactly(fileHeaderLength(fixed) - FILE_HEADER_FIXED_BYTES);
  return decodeFileHeader(Buffer.concat([fixed, name]));
}

function checkOffer(header: FileHeader, { maxBytes, accept }: ReceiveFileOptions): void {
  safeFileName(header.name);
  if (maxBytes !== undefined && header.size > maxBytes) throw edgeError('EDGE_FILE_TOO_LARGE');
  if (accept && !accept(header)) throw edgeError('EDGE_FILE_REFUSED');
}

async function receiveContent(
  reader: StreamReader,
  header: FileHeader,
  { into, onProgress }: ReceiveFileOptions,
): Promise<ReceivedFile> {
  await onDisk(() => mkdir(into, { recursive: true }));
  const draft = join(into, `.parley-${randomBytes(8).toString('hex')}.part`);
  const hash = createHash('sha256');
  try {
    const file = await onDisk(() => open(draft, 'wx', 0o600));
    try {
      await writeContent(reader, header, file, hash, onProgress);
      await onDisk(() => file.sync());
    } finally {
      await file.close();
    }
    const digest = hash.digest();
    if (!digest.equals(await reader.exactly(FILE_DIGEST_BYTES))) throw edgeError('EDGE_FILE_DIGEST_MISMATCH');
    const path = await publishFile(draft, into, safeFileName(header.name));
    return { name: header.name, bytes: header.size, sha256: digest.toString('hex'), path };
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeContent(
  reader: StreamReader,
  header: FileHeader,
  file: FileHandle,
  hash: Hash,
  onProgress: ReceiveFileOptions['onProgress'],
): Promise<void> {
  let bytes = 0;
  while (bytes < header.size) {
    const part = await reader.atMost(header.size - bytes);
    hash.update(part);
    await onDisk(() => file.writeFile(part));
    bytes += part.length;
    onProgress?.({ name: header.name, bytes, size: header.size });
  }
}

async function tell(stream: SessionStream, status: number): Promise<void> {
  await stream.write(Uint8Array.of(status));
  await stream.end();
}

async function refuse(stream: SessionStream, thrown: unknown): Promise<void> {
  const code = thrown instanceof EdgeClientError ? thrown.code : undefined;
  const status =
    code === 'EDGE_FILE_DIGEST_MISMATCH' || code === 'EDGE_FILE_TRUNCATED'
      ? FILE_STATUS.damaged
      : FILE_STATUS.refused;
  // The sender may be gone already; the caller hears of the first cause either way.
  await tell(stream, status).catch(() => stream.reset());
}

function isStopped(thrown: unknown): boolean {
  return thrown instanceof EdgeClientError && thrown.code === 'EDGE_STREAM_STOPPED';
}

async function onDisk<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (cause) {
    throw edgeError('EDGE_FILE_UNREADABLE', { cause });
  }
}
