import { describe, expect, it } from '@jest/globals';
import { advertisedAddresses, type AddressFacts } from './advertised-addresses.ts';

const WILDCARD: AddressFacts = {
  edgeUrl: undefined,
  publicAddress: undefined,
  boundEdge: 'http://0.0.0.0:8080',
  stun: '10.0.0.7:3478',
  hostAddresses: ['fd00::7', '10.0.0.7'],
  reflexiveAddress: undefined,
};

describe('advertisedAddresses', () => {
  it.each<[string, Partial<AddressFacts>, string, string | null]>([
    ['an address of the host', {}, 'http://10.0.0.7:8080', '10.0.0.7:3478'],
    ['no STUN without the relay role', { stun: null }, 'http://10.0.0.7:8080', null],
    ['the address that others see', { reflexiveAddress: '8.8.4.4' }, 'http://8.8.4.4:8080', '8.8.4.4:3478'],
    [
      'never a special-purpose one',
      { reflexiveAddress: '100.64.3.2' },
      'http://10.0.0.7:8080',
      '10.0.0.7:3478',
    ],
    [
      'never loopback as others see it',
      { reflexiveAddress: '127.0.0.1' },
      'http://10.0.0.7:8080',
      '10.0.0.7:3478',
    ],
    [
      'the configured address before it',
      { reflexiveAddress: '8.8.4.4', publicAddress: '203.0.113.5', stun: '203.0.113.5:3478' },
      'http://203.0.113.5:8080',
      '203.0.113.5:3478',
    ],
    [
      'the configured URL before all',
      { publicAddress: '203.0.113.5', edgeUrl: 'https://a.example.org' },
      'https://a.example.org',
      '10.0.0.7:3478',
    ],
    [
      'the address that it was told to bind, also in a lab',
      { boundEdge: 'http://127.0.0.1:8080', stun: '127.0.0.1:3478', reflexiveAddress: '8.8.4.4' },
      'http://127.0.0.1:8080',
      '127.0.0.1:3478',
    ],
    ['IPv6', { boundEdge: 'http://[::]:8080' }, 'http://[fd00::7]:8080', '10.0.0.7:3478'],
    ['loopback on a host without addresses', { hostAddresses: [] }, 'http://127.0.0.1:8080', '10.0.0.7:3478'],
  ])('say %s', (_what, facts, edge, stun) => {
    expect(advertisedAddresses({ ...WILDCARD, ...facts })).toEqual({ edge, stun });
  });
});
