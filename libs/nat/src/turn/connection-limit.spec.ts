import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import { instant } from '../time/instant.ts';
import { ConnectionLimit } from './connection-limit.ts';

const at = (milliseconds: number) => instant(milliseconds);
const from = (address: string, port = 1) => transportAddress(address, port);

describe('ConnectionLimit', () => {
  it('refuses beyond the limit of a source, of which an IPv6 /64 is one', () => {
    const limit = new ConnectionLimit({ connections: 10, connectionsPerSource: 1 });

    expect(limit.admit(from('192.0.2.1'), at(0))).toBeUndefined();
    expect(limit.admit(from('192.0.2.1', 2), at(0))).toBe('too-many-connections-of-source');
    expect(limit.admit(from('2001:db8::1'), at(0))).toBeUndefined();
    expect(limit.admit(from('2001:db8::2'), at(0))).toBe('too-many-connections-of-source');
    expect(limit.admit(from('192.0.2.2'), at(0))).toBeUndefined();
  });

  it('refuses beyond the limit in all, and admits again what was released', () => {
    const limit = new ConnectionLimit({ connections: 1, connectionsPerSource: 1 });
    limit.admit(from('192.0.2.1'), at(0));

    expect(limit.admit(from('192.0.2.2'), at(0))).toBe('too-many-connections');
    limit.release(from('192.0.2.1'));
    expect(limit.admit(from('192.0.2.2'), at(0))).toBeUndefined();
  });

  it('refuses a source that comes too often, also where it leaves at once', () => {
    const limit = new ConnectionLimit({ connections: 10, connectionsPerSource: 2, perSecondOfSource: 10 });
    const visit = (address: string, milliseconds: number) => {
      const refusal = limit.admit(from(address), at(milliseconds));
      if (refusal === undefined) limit.release(from(address));
      return refusal;
    };

    expect([visit('192.0.2.1', 0), visit('192.0.2.1', 0)]).toEqual([undefined, undefined]);
    expect(visit('192.0.2.1', 0)).toBe('too-frequent-connections-of-source');
    expect(visit('192.0.2.2', 0)).toBeUndefined();
    expect(visit('192.0.2.1', 100)).toBeUndefined();
    expect(visit('192.0.2.1', 100)).toBe('too-frequent-connections-of-source');
    expect(limit.open).toBe(0);
  });

  it('forgets sources without a connection', () => {
    const limit = new ConnectionLimit({ connections: 10, connectionsPerSource: 10 });
    const sources = ['192.0.2.1', '192.0.2.2', '192.0.2.1'].map((address) => from(address));
    for (const source of sources) limit.admit(source, at(0));

    for (const source of sources) limit.release(source);

    expect({ open: limit.open, sources: limit.sources }).toEqual({ open: 0, sources: 0 });
  });
});
