import { describe, expect, it } from '@jest/globals';
import { clientAddress, sourceOf } from './source-address.ts';

describe('sourceOf', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});

describe('clientAddress', () => {
  it('is the peer of the connection unless a proxy is trusted', () => {
    expect(clientAddress('192.0.2.1', '198.51.100.1', false)).toBe('192.0.2.1');
    expect(clientAddress('192.0.2.1', undefined, true)).toBe('192.0.2.1');
    expect(clientAddress(undefined, undefined, true)).toBe('unknown');
  });

  it('is what the proxy wrote, and not what the client claimed before it', () => {
    expect(clientAddress('192.0.2.1', '10.9.8.7, 198.51.100.1', true)).toBe('198.51.100.1');
    expect(clientAddress('192.0.2.1', ['10.9.8.7', '198.51.100.2'], true)).toBe('198.51.100.2');
  });
});
