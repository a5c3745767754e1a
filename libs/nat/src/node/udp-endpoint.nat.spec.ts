import { transportAddress } from '../net/ip-address.ts';
import { nodeCrypto } from './node-crypto.ts';
import { StunServerDriver } from './stun-server-driver.ts';
import { UdpEndpoint } from './udp-endpoint.ts';

function openEndpoint(): Promise<UdpEndpoint> {
  return UdpEndpoint.open({
    crypto: nodeCrypto,
    demultiplex: () => undefined,
    bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
  });
}

describe('UdpEndpoint › its own NAT', () => {
  it('without a translation says so, and that other ports of the server come in', async () => {
    const server = await StunServerDriver.open({
      bind: { primary: transportAddress('127.0.0.1', 0), alternatePort: 0 },
    });
    const endpoint = await openEndpoint();
    try {
      endpoint.setServers({ stun: [server.addresses.primary] });
      await endpoint.gather();

      expect(await endpoint.freshNat()).toMatchObject({ mapping: 'none', portAllocation: 'preserving' });
      expect(endpoint.stats().drops).toEqual({});
    } finally {
      await Promise.all([endpoint.close(), server.close()]);
    }
  });

  it('without a server it is unknown at once', async () => {
    const endpoint = await openEndpoint();
    await endpoint.gather();

    expect(await endpoint.freshNat()).toBeUndefined();
    await endpoint.close();
  });

  it('an offer does not wait for a server that is silent', async () => {
    const endpoint = await openEndpoint();
    endpoint.setServers({ stun: [transportAddress('127.0.0.1', 9)] });
    const gathered = endpoint.gather({ timeoutMs: 1 });
    const startedAt = performance.now();
    await endpoint.freshNat();

    expect(performance.now() - startedAt).toBeLessThan(1000);
    await endpoint.close();
    await gathered;
  });
});
