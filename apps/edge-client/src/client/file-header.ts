/**
 * The head of a file on a stream, version 1:
 *
 *     magic "PFT1" (4 bytes) | version (1) | name length (2, big-endian) | size (8, big-endian) | name (UTF-8)
 *
 * then `size` bytes of content, then the SHA-256 of the content (32 bytes), then the end of the stream. The receiver
 * answers in the other direction with one status byte (see FILE_STATUS) and ends it. The digest follows the content, so
 * that a file is read once.
 */
import { edgeError } from '../errors.ts';

export interface FileHeader {
  /** One path segment; the receiver chooses the folder. */
  readonly name: string;
  /** Bytes of content. */
  readonly size: number;
}

const MAGIC = Uint8Array.from([0x50, 0x46, 0x54, 0x31]);
const VERSION = 1;
export const FILE_HEADER_FIXED_BYTES = 15;
export const FILE_DIGEST_BYTES = 32;
const MAX_NAME_BYTES = 255;

/** What the receiver says at the end. */
export const FILE_STATUS = { received: 0, refused: 1, damaged: 2 } as const;

/** @throws EDGE_FILE_NAME_UNSAFE */
export function encodeFileHeader(header: FileHeader): Uint8Array {
  const name = new TextEncoder().encode(header.name);
  if (name.length === 0 || name.length > MAX_NAME_BYTES) throw edgeError('EDGE_FILE_NAME_UNSAFE');
  const bytes = new Uint8Array(FILE_HEADER_FIXED_BYTES + name.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, 0);
  view.setUint8(4, VERSION);
  view.setUint16(5, name.length);
  view.setBigUint64(7, BigInt(header.size));
  bytes.set(name, FILE_HEADER_FIXED_BYTES);
  return bytes;
}

/** How many bytes the whole header has. @throws EDGE_FILE_HEADER_INVALID, EDGE_FILE_VERSION_UNKNOWN */
export function fileHeaderLength(fixed: Uint8Array): number {
  const view = new DataView(fixed.buffer, fixed.byteOffset, fixed.byteLength);
  if (fixed.length < FILE_HEADER_FIXED_BYTES || MAGIC.some((byte, at) => fixed[at] !== byte)) {
    throw edgeError('EDGE_FILE_HEADER_INVALID');
  }
  if (view.getUint8(4) !== VERSION) throw edgeError('EDGE_FILE_VERSION_UNKNOWN');
  const nameLength = view.getUint16(5);
  if (nameLength === 0 || nameLength > MAX_NAME_BYTES) throw edgeError('EDGE_FILE_HEADER_INVALID');
  return FILE_HEADER_FIXED_BYTES + nameLength;
}

/** @throws EDGE_FILE_HEADER_INVALID, EDGE_FILE_VERSION_UNKNOWN */
export function decodeFileHeader(bytes: Uint8Array): FileHeader {
  const length = fileHeaderLength(bytes);
  if (bytes.length < length) throw edgeError('EDGE_FILE_HEADER_INVALID');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getBigUint64(7);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw edgeError('EDGE_FILE_TOO_LARGE');
  return { name: decodeName(bytes.subarray(FILE_HEADER_FIXED_BYTES, length)), size: Number(size) };
}

/**
 * The name under which a received file is written: the sender's, unless it could lead anywhere but into the chosen folder.
 *
 * @throws EDGE_FILE_NAME_UNSAFE
 */
export function safeFileName(name: string): string {
  // Separators of every system, control characters and those that turn text round, what Windows reads as streams or
  // patterns, hidden and reserved names.
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is refused
  const unsafe = /[/\\:*?"<>|\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
  const isUnsafe = unsafe.test(name) || /^[.\s]|[.\s]$/.test(name);
  const isReserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name);
  if (name.length === 0 || isUnsafe || isReserved) throw edgeError('EDGE_FILE_NAME_UNSAFE');
  return name;
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw edgeError('EDGE_FILE_HEADER_INVALID', { cause });
  }
}
