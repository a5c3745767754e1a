import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { labAvailability } from './availability.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { type ProbeAddress, UdpProber } from './udp-prober.ts';

jest.setTimeout(60_000);

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const ANY_REMOTE = 'endpoint-independent/endpoint-independent';
const SERVER = { address: '198.18.0.10', port: 4001 };
const SERVER_IPV6 = { address: '2001:2::10', port: 4001 };
const CLIENT_PORT = 5000;
const availability = labAvailability();

if (availability.kind === 'unavailable') {
  describe('NAT lab › sites', () => {
    it(`are not available on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
} else {
  let lab: Lab | undefined;

  afterEach(async () => lab?.close());

  async function open(options: LabOptions): Promise<Lab> {
    lab = await createLab(options);
    return lab;
  }

  /** A prober on the first client of each side. */
  async function onEachSide(current: Lab, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<UdpProber[]> {
    return Promise.all(
      current.sides.map(({ clients: [client] }) => {
        const { host, address, ipv6Address = '' } = client!;
        const local = family === 'ipv4' ? address : ipv6Address;
        return UdpProber.open(current, host, { address: local, port: CLIENT_PORT });
      }),
    );
  }

  async function mapping(client: UdpProber, server: UdpProber, at = SERVER): Promise<ProbeAddress> {
    client.send(at, 'what is my address');
    const { address, port } = await server.received();
    return { address, port };
  }

  describe.each([
    { hairpinning: true, reached: 'reach each other by their public addresses' },
    { hairpinning: false, reached: 'do not reach each other' },
  ])('NAT lab › two homes behind one carrier with hairpinning $hairpinning', ({ hairpinning, reached }) => {
    const sides = [
      { behaviour: PORT_RESTRICTED, clients: 1, carrier: 'mobile' },
      { behaviour: PORT_RESTRICTED, clients: 1, carrier: 'mobile' },
      { behaviour: ANY_REMOTE, clients: 1 },
    ] as const;

    it(`share the carrier's address, are reached from elsewhere, and ${reached}`, async () => {
      const current = await open({ sides, carriers: { mobile: { hairpinning } } });
      const server = await UdpProber.open(current, 'srv', SERVER);
      const [left, right, elsewhere] = await onEachSide(current);
      const leftMapping = await mapping(left!, server);
      const rightMapping = await mapping(right!, server);
      const elsewhereMapping = await mapping(elsewhere!, server);
      expect(leftMapping.address).toBe('198.18.100.1');
      expect(rightMapping.address).toBe(leftMapping.address);
      expect(rightMapping.port).not.toBe(leftMapping.port);

      left!.send(rightMapping, 'opens the left home');
      await untilDirect(current, 0, 'out', 1);
      right!.send(leftMapping, 'from the right home');
      await untilDirect(current, 1, 'out', 1);
      if (hairpinning) {
        expect(await left!.received()).toEqual({ ...rightMapping, text: 'from the right home' });
        left!.send(rightMapping, 'back');
        expect(await right!.received()).toEqual({ ...leftMapping, text: 'back' });
      }

      left!.send(elsewhereMapping, 'to elsewhere');
      expect(await elsewhere!.received()).toEqual({ ...leftMapping, text: 'to elsewhere' });
      elsewhere!.send(leftMapping, 'from elsewhere');
      expect(await left!.received()).toEqual({ ...elsewhereMapping, text: 'from elsewhere' });
    });

    it('are apart below the carrier', async () => {
      const current = await open({ sides, carriers: { mobile: { hairpinning } } });
      const [left, right] = await onEachSide(current);
      const server = await UdpProber.open(current, 'srv', SERVER);
      await mapping(left!, server);
      const [, { wanAddress: rightHome }] = current.sides as [unknown, { wanAddress: string }];
      expect(rightHome).toMatch(/^100\.64\./);

      right!.send(SERVER, 'opens the right home');
      const { port } = await server.received();
      left!.send({ address: rightHome, port: CLIENT_PORT }, 'past the carrier');
      server.send({ address: '198.18.100.1', port }, 'through the carrier');

      expect((await right!.received()).text).toBe('through the carrier');
    });
  });

  describe('NAT lab › IPv6', () => {
    it('reaches hosts behind a stateful firewall only where they sent before, without translation', async () => {
      const side = { behaviour: PORT_RESTRICTED, clients: 1, ipv6: 'stateful-firewall' } as const;
      const current = await open({ sides: [side, side] });
      const [left, right] = await onEachSide(current, 'ipv6');
      const [leftAddress, rightAddress] = current.sides.map(({ clients: [client] }) => ({
        address: client!.ipv6Address!,
        port: CLIENT_PORT,
      }));
      const server = await UdpProber.open(current, 'srv', SERVER_IPV6);
      expect(await mapping(left!, server, SERVER_IPV6)).toEqual(leftAddress);

      left!.send(rightAddress!, 'unasked');
      await untilDirect(current, 0, 'out', 1);
      right!.send(leftAddress!, 'answer');
      expect(await left!.received()).toEqual({ ...rightAddress, text: 'answer' });
      left!.send(rightAddress!, 'asked');

      expect(await right!.received()).toEqual({ ...leftAddress, text: 'asked' });
      expect((await current.counters()).direct.packets).toBe(2);
    });

    it('lets strangers in where there is no firewall', async () => {
      const current = await open({
        sides: [
          { behaviour: PORT_RESTRICTED, clients: 1, ipv6: 'open' },
          { behaviour: PORT_RESTRICTED, clients: 1, ipv6: 'stateful-firewall' },
        ],
      });
      const [left, right] = await onEachSide(current, 'ipv6');
      const address = current.sides[0]!.clients[0]!.ipv6Address!;

      right!.send({ address, port: CLIENT_PORT }, 'stranger');

      expect((await left!.received()).text).toBe('stranger');
    });

    it('works beside sides that have none, over links with a delay too', async () => {
      const current = await open({
        sides: [
          { behaviour: ANY_REMOTE, clients: 1, ipv6: 'stateful-firewall' },
          { behaviour: PORT_RESTRICTED, clients: 1 },
        ],
        linkDelayMs: 5,
      });
      const server = await UdpProber.open(current, 'srv', SERVER_IPV6);
      const serverIpv4 = await UdpProber.open(current, 'srv', SERVER);
      const { host, address, ipv6Address } = current.sides[0]!.clients[0]!;
      const overIpv6 = await UdpProber.open(current, host, { address: ipv6Address!, port: CLIENT_PORT });
      const overIpv4 = await UdpProber.open(current, host, { address, port: CLIENT_PORT });
      const ipv4Only = current.sides[1]!.clients[0]!;
      expect(ipv4Only.ipv6Address).toBeUndefined();
      const peer = await UdpProber.open(current, ipv4Only.host, {
        address: ipv4Only.address,
        port: CLIENT_PORT,
      });

      expect((await mapping(overIpv6, server, SERVER_IPV6)).address).toBe(ipv6Address);
      const dualMapping = await mapping(overIpv4, serverIpv4);
      peer.send(dualMapping, 'over IPv4');

      expect((await overIpv4.received()).text).toBe('over IPv4');
    });
  });

  describe('NAT lab › a router that takes unsolicited packets itself', () => {
    it('gives a stranger the port that its client had, so that the answer leaves from another', async () => {
      const ports = await Promise.all([true, false].map((openWan) => portAfterEarlyProbe(openWan)));

      expect(ports).toEqual([expect.not.objectContaining({ port: CLIENT_PORT }), { port: CLIENT_PORT }]);
    });

    async function portAfterEarlyProbe(openWan: boolean): Promise<{ port: number }> {
      const current = await createLab({
        sides: [{ behaviour: PORT_RESTRICTED, clients: 1, openWan }],
      });
      try {
        const server = await UdpProber.open(current, 'srv', SERVER);
        const stranger = await UdpProber.open(current, 'srv', { ...SERVER, port: 4002 });
        const [client] = await onEachSide(current);
        const { address, port } = await mapping(client!, server);
        stranger.send({ address, port }, 'early');
        let sent = 0;
        while (sent < 1) sent = (await current.counters()).server.relay.out.packets;
        client!.send({ ...SERVER, port: 4002 }, 'late');
        return { port: (await stranger.received()).port };
      } finally {
        await current.close();
      }
    }
  });

  async function untilDirect(current: Lab, side: number, way: 'in' | 'out', packets: number): Promise<void> {
    let seen = 0;
    while (seen < packets) seen = (await current.counters()).routers[side]!.direct[way].packets;
  }
}
