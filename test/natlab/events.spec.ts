import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { NatBehaviour } from './behaviour.ts';
import { labAvailability } from './availability.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { tunUnavailable } from './tun-availability.ts';
import { type ProbeAddress, UdpProber } from './udp-prober.ts';

jest.setTimeout(60_000);

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const SERVER = { address: '198.18.0.10', port: 4001 };
const SERVER_OTHER_PORT = { address: '198.18.0.10', port: 4002 };
const CLIENT_PORT = 5000;
const availability = labAvailability();
const hasDevices = tunUnavailable() === undefined;

if (availability.kind === 'unavailable') {
  describe('NAT lab › events', () => {
    it(`are not available on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
} else {
  let lab: Lab | undefined;

  afterEach(async () => lab?.close());

  async function open(options: LabOptions): Promise<{ current: Lab; server: UdpProber }> {
    lab = await createLab(options);
    return { current: lab, server: await UdpProber.open(lab, 'srv', SERVER) };
  }

  /** On every address of the machine, as applications have their sockets. */
  async function clientOn(current: Lab, host: string): Promise<UdpProber> {
    return UdpProber.open(current, host, { address: '0.0.0.0', port: CLIENT_PORT });
  }

  async function mapping(client: UdpProber, server: UdpProber, at = SERVER): Promise<ProbeAddress> {
    client.send(at, 'what is my address');
    const { address, port } = await server.received();
    return { address, port };
  }

  describe('NAT lab › a client that moves to another side', () => {
    it('keeps its sockets, has the other side’s addresses, and comes back', async () => {
      const side = { behaviour: PORT_RESTRICTED, clients: 1 } as const;
      const { current, server } = await open({ sides: [side, side] });
      const client = await clientOn(current, 'a1');
      const [a, b] = current.sides;
      const before = await mapping(client, server);
      expect(before.address).toBe(a!.wanAddress);

      const moved = await current.move('a1', 'b');
      const after = await mapping(client, server);
      server.send(before, 'to the old address');
      server.send(after, 'to the new address');

      expect(after.address).toBe(b!.wanAddress);
      expect(moved).toEqual({ host: 'a1', address: expect.stringMatching(/^10\.2\.0\./) });
      expect((await client.received()).text).toBe('to the new address');
      await current.move('a1', 'a');
      expect((await mapping(client, server)).address).toBe(a!.wanAddress);
    });

    it('has the addresses of both families where the other side has both', async () => {
      const { current } = await open({
        sides: [
          { behaviour: PORT_RESTRICTED, clients: 1 },
          { behaviour: PORT_RESTRICTED, clients: 1, ipv6: 'stateful-firewall' },
        ],
      });

      const { ipv6Address } = await current.move('a1', 'b');

      const server = await UdpProber.open(current, 'srv', { address: '2001:2::10', port: 4001 });
      const client = await UdpProber.open(current, 'a1', { address: ipv6Address!, port: CLIENT_PORT });
      client.send({ address: '2001:2::10', port: 4001 }, 'moved');
      expect(await server.received()).toEqual({ address: ipv6Address, port: CLIENT_PORT, text: 'moved' });
    });
  });

  describe('NAT lab › a NAT that forgets its mappings', () => {
    const behaviours: NatBehaviour[] = [
      PORT_RESTRICTED,
      'endpoint-independent/endpoint-independent',
      'endpoint-independent/address-dependent',
      'address-and-port-dependent/sequential-ports',
      'address-and-port-dependent/random-ports',
      ...(hasDevices ? (['address-dependent/random-ports'] as const) : []),
    ];

    it.each(behaviours)('%s: other ports, and nothing comes in through the old ones', async (behaviour) => {
      const { current, server } = await open({ sides: [{ behaviour, clients: 1 }] });
      const client = await clientOn(current, 'a1');
      const before = await mapping(client, server);

      await current.rebind('a');
      server.send(before, 'through the old mapping');
      const after = await mapping(client, server);
      server.send(after, 'through the new mapping');

      expect(after.address).toBe(before.address);
      expect(after.port).not.toBe(before.port);
      expect((await client.received()).text).toBe('through the new mapping');
    });

    it('keeps its behaviour: a mapping that is independent of the endpoint stays so, again and again', async () => {
      const { current, server } = await open({ sides: [{ behaviour: PORT_RESTRICTED, clients: 1 }] });
      const otherPort = await UdpProber.open(current, 'srv', SERVER_OTHER_PORT);
      const client = await clientOn(current, 'a1');
      const ports = new Set<number>();

      for (let round = 0; round < 3; round += 1) {
        await current.rebind('a');
        const first = await mapping(client, server);
        expect(await mapping(client, otherPort, SERVER_OTHER_PORT)).toEqual(first);
        ports.add(first.port);
      }

      expect(ports.size).toBe(3);
    });

    it('can lose its mappings and give ports as before: a socket gets the next one', async () => {
      const behaviour = 'address-and-port-dependent/sequential-ports';
      const { current, server } = await open({ sides: [{ behaviour, clients: 1 }] });
      const client = await clientOn(current, 'a1');
      const before = await mapping(client, server);
      expect(await mapping(client, server)).toEqual(before);

      await current.forgetMappings('a');

      expect(await mapping(client, server)).toEqual({ ...before, port: before.port + 1 });
    });

    it('is refused where there is none', async () => {
      const { current } = await open({ sides: [{ behaviour: 'none', clients: 1 }] });

      await expect(current.rebind('a')).rejects.toMatchObject({ code: 'LAB_COMMAND_FAILED' });
    });
  });

  describe('NAT lab › mappings that are idle', () => {
    it('end after the lifetime of the side', async () => {
      const behaviour = 'address-and-port-dependent/random-ports';
      const { current, server } = await open({
        sides: [{ behaviour, clients: 1, mappingLifetimeSeconds: 1 }],
      });
      const client = await clientOn(current, 'a1');
      const first = await mapping(client, server);

      const ends = performance.now() + 20_000;
      let next = await mapping(client, server);
      expect(next).toEqual(first);
      while (next.port === first.port && performance.now() < ends) {
        await new Promise((resolve) => setTimeout(resolve, 1_500)); // idle is what is tested
        next = await mapping(client, server);
      }

      expect(next.port).not.toBe(first.port);
    });
  });

  describe('NAT lab › another host behind the same NAT', () => {
    it('opens the stated number of mappings per second, which the sequence of ports shows', async () => {
      const behaviour = 'address-and-port-dependent/sequential-ports';
      const { current, server } = await open({ sides: [{ behaviour, clients: 2 }] });
      const otherPort = await UdpProber.open(current, 'srv', SERVER_OTHER_PORT);
      const client = await clientOn(current, 'a1');
      const before = await mapping(client, server);

      const beganAt = performance.now();
      const churn = current.openMappings('a2', { perSecond: 50 });
      let passed = 0;
      while (passed < 60) passed = (await current.counters()).routers[0]!.server.out.packets;
      const opened = await churn.stop();
      const seconds = (performance.now() - beganAt) / 1_000;
      const after = await mapping(client, otherPort, SERVER_OTHER_PORT);

      expect(after.port - before.port).toBe(opened + 1);
      expect(opened).toBeGreaterThanOrEqual(50);
      expect(opened / seconds).toBeLessThanOrEqual(50);
    });

    it('stops at the stated number, and is not traffic of the server', async () => {
      const { current } = await open({ sides: [{ behaviour: PORT_RESTRICTED, clients: 2 }] });

      const churn = current.openMappings('a2', { perSecond: 1_000, most: 20 });
      let left = 0;
      while (left < 20) left = (await current.counters()).routers[0]!.server.out.packets;

      expect(await churn.stop()).toBe(20);
      expect((await current.counters()).viaServer.packets).toBe(0);
    });
  });

  const unavailable = tunUnavailable();
  if (unavailable !== undefined) {
    describe('NAT lab › links that change', () => {
      it(`are not available on this machine: ${unavailable}`, async () => {
        await expect(createLab({ sides: [], adjustableLinks: true })).rejects.toMatchObject({
          code: 'LAB_UNAVAILABLE',
        });
      });
    });
  } else
    describe('NAT lab › links that change', () => {
      it('delay what comes from and goes to one place from then on, and then no longer', async () => {
        const sides = [
          { behaviour: PORT_RESTRICTED, clients: 1 },
          { behaviour: PORT_RESTRICTED, clients: 1, carrier: 'mobile' },
        ] as const;
        const { current, server } = await open({
          sides,
          carriers: { mobile: { hairpinning: false } },
          adjustableLinks: true,
        });
        const [slow, other] = await Promise.all([clientOn(current, 'a1'), clientOn(current, 'b1')]);
        const oneWay = async (client: UdpProber): Promise<number> => {
          const times: number[] = [];
          for (let attempt = 0; attempt < 3; attempt += 1) {
            const beganAt = performance.now();
            await mapping(client, server);
            times.push(performance.now() - beganAt);
          }
          return Math.min(...times); // the best attempt did not wait for a processor
        };
        await Promise.all([oneWay(slow)]);
        expect(await oneWay(slow)).toBeLessThan(100);

        await current.impair('a', { delayMs: 200, loss: 0 });
        expect(await oneWay(slow)).toBeGreaterThanOrEqual(200);
        expect(await oneWay(other)).toBeLessThan(100);

        await current.impair('a', { delayMs: 0, loss: 0 });
        expect(await oneWay(slow)).toBeLessThan(100);
        await current.impair('mobile', { delayMs: 200, loss: 0 });
        expect(await oneWay(other)).toBeGreaterThanOrEqual(200);
      });

      it('lose everything of one place when told so', async () => {
        const side = { behaviour: PORT_RESTRICTED, clients: 1 } as const;
        const { current, server } = await open({ sides: [side, side], adjustableLinks: true });
        const [cut, other] = await Promise.all([clientOn(current, 'a1'), clientOn(current, 'b1')]);
        await mapping(cut, server);

        await current.impair('a', { delayMs: 0, loss: 1 });
        cut.send(SERVER, 'lost');
        let left = 0;
        while (left < 2) left = (await current.counters()).routers[0]!.server.out.packets;
        other.send(SERVER, 'not lost');

        expect((await server.received()).text).toBe('not lost');
        await current.impair('a', { delayMs: 0, loss: 0 });
        cut.send(SERVER, 'again');
        expect((await server.received()).text).toBe('again');
      });

      it('are refused for a place that there is not, and in a lab that was made without', async () => {
        const side = { behaviour: PORT_RESTRICTED, clients: 1 } as const;
        const { current } = await open({ sides: [side], adjustableLinks: true });
        const none = { delayMs: 0, loss: 0 };

        await expect(current.impair('b', none)).rejects.toMatchObject({ code: 'LAB_UNKNOWN_HOST' });
        await current.close();
        lab = await createLab({ sides: [side] });
        await expect(lab.impair('a', none)).rejects.toMatchObject({ code: 'LAB_COMMAND_FAILED' });
      });
    });
}
