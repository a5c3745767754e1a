import { createHash, createHmac, randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { crc32 as tableCrc32 } from '../crypto/crc32.ts';
import type { NatCrypto } from '../crypto/crypto.port.ts';

// Older Node releases have no zlib.crc32; the types of newer ones claim that it is always there.
const nativeCrc32 = (zlib as { readonly crc32?: (data: Uint8Array) => number }).crc32;

/** {@link NatCrypto} on `node:crypto` and `node:zlib`. */
export const nodeCrypto: NatCrypto = {
  randomBytes: (length) => randomBytes(length),
  hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
  md5: (data) => createHash('md5').update(data).digest(),
  sha256: (data) => createHash('sha256').update(data).digest(),
  crc32: nativeCrc32 ?? tableCrc32,
};
