import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CONNECTION_ID_BYTES,
  connectionIdKey,
  connectionIdOf,
  isForConnection,
  newConnectionId,
} from './connection-id.ts';

const id = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

describe('connectionIdOf (RFC 9000 section 17)', () => {
  it('finds the destination in a short and in a long header', () => {
    const short = Buffer.concat([Buffer.of(0x41), id, randomBytes(20)]);
    const long = Buffer.concat([Buffer.from('c00000000110', 'hex'), id, Buffer.of(16), randomBytes(40)]);

    expect([connectionIdOf(short), connectionIdOf(long)]).toEqual([id.toString('hex'), id.toString('hex')]);
  });

  it('finds none where the fixed bit is clear, the length is another or bytes are missing', () => {
    const none = [
      Buffer.alloc(0),
      Buffer.concat([Buffer.of(0x01), id]),
      Buffer.concat([Buffer.of(0x41), id.subarray(1)]),
      Buffer.concat([Buffer.from('c00000000108', 'hex'), id]),
      Buffer.from('c0000000', 'hex'),
      Buffer.concat([Buffer.from('c00000000110', 'hex'), id.subarray(1)]),
    ];

    expect(none.map(connectionIdOf)).toEqual(none.map(() => undefined));
  });

  it('agrees with the quick look of a session', () => {
    const short = Buffer.concat([Buffer.of(0x41), id, randomBytes(20)]);
    const other = newConnectionId();

    expect(isForConnection(short, [other, id])).toBe(true);
    expect(isForConnection(short, [other])).toBe(false);
    expect(isForConnection(short.subarray(0, 16), [id])).toBe(false);
  });

  it('takes any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const found = connectionIdOf(bytes);
        const isOurs = isForConnection(bytes, [bytes.slice(1, 17)]);
        expect(isOurs && found === undefined).toBe(false);
        return found === undefined || found.length === 2 * CONNECTION_ID_BYTES;
      }),
    );
  });

  it('makes ids of one length that differ', () => {
    const ids = Array.from({ length: 100 }, () => connectionIdKey(newConnectionId()));

    expect(new Set(ids).size).toBe(100);
    expect(ids.every((text) => /^[0-9a-f]{32}$/.test(text))).toBe(true);
  });
});
