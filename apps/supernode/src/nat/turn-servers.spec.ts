import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import { turnServers } from './turn-servers.ts';

const visible = [transportAddress('203.0.113.1', 3478), transportAddress('2001:db8::1', 3478)];

describe('turnServers', () => {
  it('names every transport, TLS by the name of the certificate', () => {
    const tls = [
      { address: '0.0.0.0', port: 443, host: 'relay.example.org' },
      { address: '::', port: 443, host: 'relay.example.org' },
    ];

    expect(turnServers(visible, tls)).toEqual([
      '203.0.113.1:3478',
      '[2001:db8::1]:3478',
      'turns:relay.example.org:443?transport=tcp',
      'turn:203.0.113.1:3478?transport=tcp',
      'turn:[2001:db8::1]:3478?transport=tcp',
    ]);
  });

  it('names an IPv6 address of a certificate in brackets, and no TLS without a name', () => {
    const tls = [
      { address: '::', port: 443, host: '2001:db8::1' },
      { address: '0.0.0.0', port: 443, host: undefined },
    ];

    expect(turnServers(visible.slice(1), tls)).toEqual([
      '[2001:db8::1]:3478',
      'turns:[2001:db8::1]:443?transport=tcp',
      'turn:[2001:db8::1]:3478?transport=tcp',
    ]);
  });

  it('names no more than the wire takes', () => {
    const many = Array.from({ length: 9 }, (_, at) => transportAddress(`203.0.113.${at}`, 1));
    const tls = many.map(({ address, port }) => ({ address, port, host: address }));

    expect(turnServers(many, tls)).toHaveLength(8);
  });
});
