import { transportAddress } from '../net/ip-address.ts';
import { discoverNatBehaviour } from './discovery-driver.ts';
import { StunServerDriver } from './stun-server-driver.ts';
import { UdpSocket } from './udp-socket.ts';

describe('discoverNatBehaviour', () => {
  it('finds no NAT on loopback', async () => {
    const server = await StunServerDriver.open({
      bind: { primary: transportAddress('127.0.0.1', 0), alternateAddress: '127.0.0.2', alternatePort: 0 },
    });

    const report = await discoverNatBehaviour({
      servers: [server.addresses.primary],
      bindAddress: '127.0.0.1',
    });
    await server.close();

    expect(report).toMatchObject({
      udp: 'works',
      isTranslated: false,
      mapping: { behaviour: 'endpoint-independent', allocation: { kind: 'preserving' } },
      filtering: { behaviour: 'endpoint-independent' },
      hairpinning: 'unknown',
    });
    expect(report.roundTripMs).toBeGreaterThan(0);
  });

  it('reports blocked UDP where nobody answers', async () => {
    const silent = await UdpSocket.open(transportAddress('127.0.0.1', 0), {
      onDatagram: () => undefined,
      onError: () => undefined,
    });

    const report = await discoverNatBehaviour({
      servers: [silent.localAddress],
      bindAddress: '127.0.0.1',
      retransmission: { rto: 5, rc: 2, rm: 1 },
    });
    await silent.close();

    expect(report.udp).toBe('blocked');
  });

  it.each([
    ['before it starts', AbortSignal.abort()],
    ['while it waits', AbortSignal.timeout(20)],
  ])('can be ended %s', async (_, signal) => {
    const silent = await UdpSocket.open(transportAddress('127.0.0.1', 0), {
      onDatagram: () => undefined,
      onError: () => undefined,
    });

    const failure = discoverNatBehaviour({ servers: [silent.localAddress], signal });

    await expect(failure).rejects.toMatchObject({ code: 'NAT_ABORTED' });
    await silent.close();
  });

  it('refuses no servers and mixed families', async () => {
    const mixed = [transportAddress('127.0.0.1', 1), transportAddress('::1', 1)];

    await expect(discoverNatBehaviour({ servers: [] })).rejects.toMatchObject({
      code: 'NAT_INVALID_ARGUMENT',
    });
    await expect(discoverNatBehaviour({ servers: mixed })).rejects.toMatchObject({
      code: 'NAT_INVALID_ARGUMENT',
    });
  });
});
