import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { transportAddress } from '../net/ip-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import {
  addressBody,
  addressOf,
  decodeFlowControl,
  encodeFlowControl,
  FLOW_CONTROL_BYTES,
  isFlowControlAuthentic,
  looksLikeFlowFrame,
  type FlowControlFrame,
} from './flow-frame.ts';

describe('frames of the flow', () => {
  const id = fc.uint8Array({ minLength: 8, maxLength: 8 });
  const frame: fc.Arbitrary<FlowControlFrame> = fc.record({
    type: fc.constantFrom(4 as const, 5 as const, 6 as const),
    flowId: id,
    sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    lane: fc.constantFrom(0 as const, 1 as const),
    body: fc.uint8Array({ minLength: 19, maxLength: 19 }),
  });

  it('come out as they went in, and are authentic under their key only', () => {
    const key = new Uint8Array(32).fill(9);
    fc.assert(
      fc.property(frame, (control) => {
        const bytes = encodeFlowControl(control, key, nodeCrypto);
        expect(bytes).toHaveLength(FLOW_CONTROL_BYTES);
        expect(looksLikeFlowFrame(bytes)).toBe(true);
        expect(decodeFlowControl(bytes)).toEqual(control);
        expect(isFlowControlAuthentic(bytes, key, nodeCrypto)).toBe(true);
        expect(isFlowControlAuthentic(bytes, new Uint8Array(32), nodeCrypto)).toBe(false);
      }),
    );
  });

  it('carry addresses of both families', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.integer({ min: 0, max: 65_535 }), id, (v4, v6, port, flowId) => {
        for (const address of [transportAddress(v4, port), transportAddress(v6, port)])
          expect(addressOf(addressBody(address, flowId), flowId)).toEqual(address);
      }),
    );
    expect(addressOf(new Uint8Array(19), new Uint8Array(8))).toBeUndefined();
  });

  it('are none of STUN, ChannelData or QUIC', () => {
    const isFlow = (first: number) => looksLikeFlowFrame(Uint8Array.of(first));
    expect([...Array(256).keys()].filter(isFlow)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(looksLikeFlowFrame(new Uint8Array())).toBe(false);
  });
});
