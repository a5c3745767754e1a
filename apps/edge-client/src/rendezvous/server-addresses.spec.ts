import { describe, expect, it } from '@jest/globals';
import { fromWireCandidate, toWireCandidate } from './candidate-mapping.ts';
import { resolveServers, splitHostPort, streamServers } from './server-addresses.ts';

describe('server addresses', () => {
  it.each([
    ['192.0.2.1:3478', { host: '192.0.2.1', port: 3478 }],
    ['[2001:db8::1]:3478', { host: '2001:db8::1', port: 3478 }],
    ['stun.example.org:1', { host: 'stun.example.org', port: 1 }],
  ])('%s has two parts', (text, parts) => {
    expect(splitHostPort(text)).toEqual(parts);
  });

  it.each(['192.0.2.1', '2001:db8::1:3478', 'a:0', 'a:65536', ':3478', ''])('%j is none', (text) => {
    expect(splitHostPort(text)).toBeUndefined();
  });

  it('tells TURN over TLS and TCP from addresses for UDP, TLS first', async () => {
    const named = [
      '192.0.2.1:3478',
      'turn:192.0.2.1:3478?transport=tcp',
      'turns:[2001:db8::1]:443?transport=tcp',
      'turns:relay.example.org:443?transport=tcp',
      'turn:192.0.2.1:3478?transport=udp',
      'turns:nowhere?transport=tcp',
      'stun:192.0.2.1:3478',
    ];

    expect(streamServers(named)).toEqual([
      { transport: 'tls', host: '2001:db8::1', port: 443 },
      { transport: 'tls', host: 'relay.example.org', port: 443 },
      { transport: 'tcp', host: '192.0.2.1', port: 3478 },
    ]);
    expect(await resolveServers(named)).toEqual([{ family: 'ipv4', address: '192.0.2.1', port: 3478 }]);
  });

  it('leaves out what does not resolve', async () => {
    const servers = await resolveServers([
      '192.0.2.1:3478',
      'nonsense',
      'no-such-host.invalid:3478',
      '[::1]:5',
    ]);

    expect(servers).toEqual([
      { family: 'ipv4', address: '192.0.2.1', port: 3478 },
      { family: 'ipv6', address: '::1', port: 5 },
    ]);
  });
});

describe('candidates on the wire', () => {
  it('read as they were written, in canonical form', () => {
    const wire = {
      foundation: 'f',
      priority: 7,
      transport: 'udp',
      address: '2001:DB8:0::1',
      port: 9,
      type: 'server-reflexive',
    } as const;

    const candidate = fromWireCandidate(wire);

    expect(candidate).toEqual({
      kind: 'serverReflexive',
      foundation: 'f',
      priority: 7,
      address: { family: 'ipv6', address: '2001:db8::1', port: 9 },
    });
    expect(candidate && toWireCandidate(candidate)).toEqual({ ...wire, address: '2001:db8::1' });
  });
});
