import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { UdpEndpoint } from '../udp-endpoint.ts';
import { isReachableClaim } from './mapped-address.ts';

describe('an address that a gateway claims for us', () => {
  it('is one outside when it is public', () => {
    expect(isReachableClaim(transportAddress('9.9.9.9', 40_000), [])).toBe(true);
    expect(isReachableClaim(transportAddress('9.9.9.9', 0), [])).toBe(false);
  });

  it.each(['10.0.0.1', '100.64.3.4', '192.168.1.1', '127.0.0.1', '0.0.0.0', '224.0.0.1', '203.0.113.1'])(
    'is behind another NAT when it is %s, unless a server sees us there',
    (address) => {
      const claim = transportAddress(address, 40_000);
      expect(isReachableClaim(claim, [transportAddress('9.9.9.9', 1)])).toBe(false);
      expect(isReachableClaim(claim, [transportAddress(address, 1)])).toBe(true);
    },
  );
});

describe('a mapped port at an endpoint', () => {
  const open = () =>
    UdpEndpoint.open({ crypto: nodeCrypto, demultiplex: () => undefined, bind: { ipv6: false } });

  it('is told as a server-reflexive candidate between peer-reflexive and what a server saw, and no more when it is lost', async () => {
    const endpoint = await open();
    const told: unknown[] = [];
    endpoint.onCandidate((candidate) => told.push(candidate));
    const address = transportAddress('9.9.9.9', 40_000);

    endpoint.setMappedAddress(address);
    endpoint.setMappedAddress(address);

    expect(told[0]).toMatchObject({ kind: 'serverReflexive', address });
    const { priority } = told[0] as { priority: number };
    expect(priority).toBeGreaterThan(2 ** 24 * 101);
    expect(priority).toBeLessThan(2 ** 24 * 110);
    const nat = { mapping: 'endpoint-independent', filtering: 'endpoint-independent' };
    expect(await endpoint.freshNat()).toMatchObject(nat);
    endpoint.setMappedAddress(undefined);
    expect(await endpoint.freshNat()).toBeUndefined();
    expect((await endpoint.gather()).candidates.map(({ kind }) => kind)).not.toContain('serverReflexive');
    await endpoint.close();
  });

  it('of a gateway behind another NAT is told to nobody', async () => {
    const endpoint = await open();
    const told: unknown[] = [];
    endpoint.onCandidate((candidate) => told.push(candidate));

    endpoint.setMappedAddress(transportAddress('100.64.3.4', 40_000));

    expect(told).toEqual([]);
    expect(await endpoint.freshNat()).toBeUndefined();
    await endpoint.close();
  });
});
