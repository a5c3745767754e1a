import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { splitCoalesced } from './coalesced-packets.ts';

const ids = Buffer.from('04aaaaaaaa02bbbb', 'hex');
const initial = Buffer.concat([
  Buffer.from('c000000001', 'hex'),
  ids,
  Buffer.from('03ffffff4005', 'hex'),
  Buffer.alloc(5, 1),
]);
const handshake = Buffer.concat([
  Buffer.from('e000000001', 'hex'),
  ids,
  Buffer.from('06', 'hex'),
  Buffer.alloc(6, 2),
]);
const short = Buffer.concat([Buffer.of(0x41), Buffer.alloc(30, 3)]);

describe('splitCoalesced (RFC 9000 section 12.2)', () => {
  it('finds each packet of one payload', () => {
    expect(splitCoalesced(Buffer.concat([initial, handshake, short]))).toEqual([initial, handshake, short]);
  });

  it('leaves a single packet, one that claims too much and a Retry in one piece', () => {
    const greedy = Buffer.concat([handshake.subarray(0, 13), Buffer.from('7fff', 'hex'), Buffer.alloc(9)]);
    const retry = Buffer.concat([Buffer.from('f000000001', 'hex'), ids, Buffer.alloc(40)]);

    for (const packet of [short, handshake, greedy, retry]) expect(splitCoalesced(packet)).toEqual([packet]);
  });

  it('leaves padding out', () => {
    expect(splitCoalesced(Buffer.concat([initial, handshake, Buffer.alloc(100)]))).toEqual([
      initial,
      handshake,
    ]);
  });

  it('invents no byte, whatever it gets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = Buffer.concat(splitCoalesced(bytes));
        expect(found).toEqual(Buffer.from(bytes.subarray(0, found.length)));
      }),
    );
  });
});
