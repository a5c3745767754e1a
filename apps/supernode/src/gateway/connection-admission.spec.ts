import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../config/testing/test-config.ts';
import { Metrics } from '../observability/metrics.ts';
import { ConnectionAdmission } from './connection-admission.ts';

function setUp(env: Record<string, string>) {
  return new ConnectionAdmission(testConfig(env).edge, new Metrics({ withProcess: false }));
}

/** A handshake on a TCP connection of its own. */
function requestFrom(remoteAddress: string, headers: IncomingMessage['headers'] = {}) {
  const socket = Object.assign(new EventEmitter(), { remoteAddress });
  return { socket, headers } as unknown as IncomingMessage;
}

describe('ConnectionAdmission', () => {
  it('bounds connections per source, and gives the place back when one ends', () => {
    const admission = setUp({ SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '2' });
    const first = requestFrom('2001:db8::1');
    expect(admission.admit(first)).toBe('admitted');
    expect(admission.admit(requestFrom('2001:db8::2'))).toBe('admitted');
    expect(admission.admit(requestFrom('2001:db8::3'))).toBe('too-many-from-source');
    expect(admission.admit(requestFrom('2001:db8:0:1::3'))).toBe('admitted');

    first.socket.emit('close');

    expect(admission.admit(requestFrom('2001:db8::3'))).toBe('admitted');
    expect(admission.connections).toBe(3);
  });

  it('bounds connections in total', () => {
    const admission = setUp({ SUPERNODE_MAX_CONNECTIONS: '1', SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '1' });
    admission.admit(requestFrom('192.0.2.1'));

    expect(admission.admit(requestFrom('192.0.2.2'))).toBe('too-many-connections');
  });

  it('counts a TCP connection once, however many handshakes it tries', () => {
    const admission = setUp({ SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '1' });
    const request = requestFrom('192.0.2.1');

    expect([admission.admit(request), admission.admit(request)]).toEqual(['admitted', 'admitted']);
    request.socket.emit('close');

    expect(admission.connections).toBe(0);
  });

  it('takes the source from the proxy only where one is trusted', () => {
    const headers = { 'x-forwarded-for': '10.0.0.1, 198.51.100.1' };

    expect(setUp({ SUPERNODE_TRUST_PROXY: 'true' }).sourceOf(requestFrom('192.0.2.1', headers))).toBe(
      '198.51.100.1',
    );
    expect(setUp({}).sourceOf(requestFrom('192.0.2.1', headers))).toBe('192.0.2.1');
  });

  it('refuses pages of origins that are not listed, and lets clients without one in', () => {
    const admission = setUp({ SUPERNODE_CORS_ORIGINS: 'https://app.example.org' });
    const from = (origin: string) => admission.admit(requestFrom('192.0.2.1', { origin }));

    expect(from('https://app.example.org')).toBe('admitted');
    expect(from('https://app.example.org.evil.example')).toBe('origin-refused');
    expect(from('null')).toBe('origin-refused');
    expect(
      setUp({ SUPERNODE_CORS_ORIGINS: '*' }).admit(requestFrom('192.0.2.1', { origin: 'https://x.example' })),
    ).toBe('admitted');
  });

  it('takes nobody while the supernode drains', () => {
    const admission = setUp({});

    admission.drain();

    expect(admission.admit(requestFrom('192.0.2.1'))).toBe('draining');
  });
});
