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
      drops: {},
      socketErrors: 0,
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

  it('can be ended before it starts', async () => {
    const servers = [transportAddress('127.0.0.1', 9)];

    const failure = discoverNatBehaviour({ servers, signal: AbortSignal.abort('enough') });

    await expect(failure).rejects.toMatchObject({ code: 'NAT_ABORTED', cause: 'enough' });
  });

  it('can be ended while it waits', async () => {
    const controller = new AbortController();
    const silent = await UdpSocket.open(transportAddress('127.0.0.1', 0), {
      onDatagram: () => {
        controller.abort('enough');
      },
      onError: () => undefined,
    });

    const failure = discoverNatBehaviour({ servers: [silent.localAddress], signal: controller.signal });

    await expect(failure).rejects.toMatchObject({ code: 'NAT_ABORTED', cause: 'enough' });
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
