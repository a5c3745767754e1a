/**
 * The file of a {@link FileMessageStore}: one line per commit, `<first 16 hex digits of SHA-256> <JSON>`; the first line names
 * format and version. A line is there as a whole or not at all: one that the end of the process tore can only be the last.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { edgeError } from '../errors.ts';
import { storeChangeSchema, type StoreChange } from './message-store.ts';

const FORMAT = 'parley-messages';
/** Raised when the log changes in a way that an older SDK would misread. */
export const MESSAGE_LOG_VERSION = 1;
const DIGEST_DIGITS = 16;
const READ_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Where a line is in the file. */
export interface LinePlace {
  readonly offset: number;
  /** Bytes, with the newline. */
  readonly length: number;
}

export interface LogLine extends LinePlace {
  readonly changes: readonly StoreChange[];
}

export function encodeHeader(): Buffer {
  return encodeLine({ format: FORMAT, version: MESSAGE_LOG_VERSION });
}

export function encodeChanges(changes: readonly StoreChange[]): Buffer {
  return encodeLine(changes);
}

/**
 * All commits of a log, and where the whole ones end: what follows was torn and never confirmed.
 *
 * @throws EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER
 */
export async function* readLog(file: FileHandle): AsyncGenerator<LogLine, number> {
  let end = 0;
  let isFirst = true;
  let torn = false;
  for await (const { bytes, offset } of linesOf(file)) {
    // Only the last line may be broken.
    if (torn) throw corrupted();
    const value = decodeLine(bytes);
    if (value === undefined) {
      torn = true;
      continue;
    }
    if (isFirst) checkHeader(value);
    else yield { changes: parseChanges(value), offset, length: bytes.length };
    isFirst = false;
    end = offset + bytes.length;
  }
  return end;
}

/** @throws EDGE_MESSAGES_CORRUPTED */
export async function readLine(
  file: FileHandle,
  { offset, length }: LinePlace,
): Promise<readonly StoreChange[]> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  const value = bytesRead === length ? decodeLine(bytes) : undefined;
  if (value === undefined) throw corrupted();
  return parseChanges(value);
}

function encodeLine(value: unknown): Buffer {
  const json = JSON.stringify(value);
  return Buffer.from(`${digest(json)} ${json}\n`);
}

function decodeLine(bytes: Buffer): unknown {
  if (bytes.at(-1) !== NEWLINE) return undefined;
  const text = bytes.toString('utf8', 0, bytes.length - 1);
  const json = text.slice(DIGEST_DIGITS + 1);
  if (text.slice(0, DIGEST_DIGITS) !== digest(json) || text[DIGEST_DIGITS] !== ' ') return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

function checkHeader(value: unknown): void {
  const { format, version } = value as { format?: unknown; version?: unknown };
  if (format !== FORMAT || typeof version !== 'number') throw corrupted();
  if (version > MESSAGE_LOG_VERSION) throw edgeError('EDGE_MESSAGES_NEWER');
}

function parseChanges(value: unknown): readonly StoreChange[] {
  const changes = storeChangeSchema.array().safeParse(value);
  if (!changes.success) throw corrupted();
  return changes.data;
}

/** Lines with their newline, the last one perhaps without; no more than one line and one read are in memory. */
async function* linesOf(file: FileHandle): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for (;;) {
    const chunk = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await file.read(chunk, 0, READ_BYTES, offset + rest.length);
    if (bytesRead === 0) break;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    let start = 0;
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE, start)) {
      yield { bytes: rest.subarray(start, at + 1), offset: offset + start };
      start = at + 1;
    }
    offset += start;
    rest = rest.subarray(start);
  }
  if (rest.length > 0) yield { bytes: rest, offset };
}

function digest(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, DIGEST_DIGITS);
}

function corrupted() {
  return edgeError('EDGE_MESSAGES_CORRUPTED');
}
