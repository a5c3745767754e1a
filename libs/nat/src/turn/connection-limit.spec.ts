import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import { ConnectionLimit } from './connection-limit.ts';

const from = (address: string, port = 1) => transportAddress(address, port);

describe('ConnectionLimit', () => {
  it('refuses beyond the limit of a source, of which an IPv6 /64 is one', () => {
    const limit = new ConnectionLimit({ connections: 10, connectionsPerSource: 1 });

    expect(limit.admit(from('192.0.2.1'))).toBeUndefined();
    expect(limit.admit(from('192.0.2.1', 2))).toBe('too-many-connections-of-source');
    expect(limit.admit(from('2001:db8::1'))).toBeUndefined();
    expect(limit.admit(from('2001:db8::2'))).toBe('too-many-connections-of-source');
    expect(limit.admit(from('192.0.2.2'))).toBeUndefined();
  });

  it('refuses beyond the limit in all, and admits again what was released', () => {
    const limit = new ConnectionLimit({ connections: 1, connectionsPerSource: 1 });
    limit.admit(from('192.0.2.1'));

    expect(limit.admit(from('192.0.2.2'))).toBe('too-many-connections');
    limit.release(from('192.0.2.1'));
    expect(limit.admit(from('192.0.2.2'))).toBeUndefined();
  });

  it('forgets sources without a connection', () => {
    const limit = new ConnectionLimit({ connections: 10, connectionsPerSource: 10 });
    const sources = ['192.0.2.1', '192.0.2.2', '192.0.2.1'].map((address) => from(address));
    for (const source of sources) limit.admit(source);

    for (const source of sources) limit.release(source);

    expect({ open: limit.open, sources: limit.sources }).toEqual({ open: 0, sources: 0 });
  });
});
