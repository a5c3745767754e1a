import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { labAvailability } from './availability.ts';
import { isUserSpace, type NatBehaviour } from './behaviour.ts';
import { createLab, type Lab } from './lab.ts';
import { tunUnavailable } from './tun-availability.ts';
import { type ProbeAddress, UdpProber } from './udp-prober.ts';

jest.setTimeout(30_000);

const [FIRST, SECOND] = ['198.18.0.10', '198.18.0.11'];
const CONTACTED = { address: FIRST, port: 4001 };
const OTHER_PORT = { address: FIRST, port: 4002 };
const OTHER_ADDRESS = { address: SECOND, port: 4001 };
const CLIENT_PORT = 5000;

interface Expectation {
  /** How the outside ports of one inside socket towards three destinations relate. */
  readonly ports: 'preserved' | 'one per address' | `in steps of ${number}` | 'unrelated';
  readonly admits: { readonly otherPort: boolean; readonly otherAddress: boolean };
}

const ADMITS_CONTACTED = { otherPort: false, otherAddress: false };
const ADMITS_ADDRESS = { otherPort: true, otherAddress: false };
const ADMITS_ALL = { otherPort: true, otherAddress: true };

const EXPECTED: Record<Exclude<NatBehaviour, 'udp-blocked'>, Expectation> = {
  none: { ports: 'preserved', admits: ADMITS_ALL },
  'endpoint-independent/endpoint-independent': { ports: 'preserved', admits: ADMITS_ALL },
  'endpoint-independent/address-dependent': { ports: 'preserved', admits: ADMITS_ADDRESS },
  'endpoint-independent/address-and-port-dependent': { ports: 'preserved', admits: ADMITS_CONTACTED },
  'address-and-port-dependent/random-ports': { ports: 'unrelated', admits: ADMITS_CONTACTED },
  'address-dependent/random-ports': { ports: 'one per address', admits: ADMITS_CONTACTED },
  'address-and-port-dependent/sequential-ports': { ports: 'in steps of 1', admits: ADMITS_CONTACTED },
  'address-and-port-dependent/sequential-ports-step-2': { ports: 'in steps of 2', admits: ADMITS_CONTACTED },
  'address-and-port-dependent/sequential-ports-step-7': { ports: 'in steps of 7', admits: ADMITS_CONTACTED },
};

function relation([first = 0, second = 0, third = 0]: readonly number[]): Expectation['ports'] {
  if (first === second) return second === third ? 'preserved' : 'one per address';
  const step = second - first;
  return third - second === step && step > 0 && step < 100 ? `in steps of ${step}` : 'unrelated';
}

const availability = labAvailability();

if (availability.kind === 'unavailable') {
  describe('NAT lab › behaviours (RFC 4787)', () => {
    it(`is not available on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
} else {
  describe('NAT lab › behaviours (RFC 4787)', () => {
    let lab: Lab | undefined;

    afterEach(async () => lab?.close());

    // a program translates there, which needs a device that only some users may have
    const possible = Object.entries(EXPECTED).filter(
      ([name]) => !isUserSpace(name as NatBehaviour) || tunUnavailable() === undefined,
    );

    const unavailable = tunUnavailable();
    if (unavailable !== undefined) {
      it(`address-dependent mapping is not available on this machine: ${unavailable}`, async () => {
        await expect(
          createLab({ sides: [{ behaviour: 'address-dependent/random-ports' }] }),
        ).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
      });
    }

    describe.each(possible)('%s', (name, { ports, admits }) => {
      let client: UdpProber;
      let server: UdpProber;
      let serverOtherPort: UdpProber;
      let serverOtherAddress: UdpProber;
      let current: Lab;

      beforeEach(async () => {
        current = await createLab({ sides: [{ behaviour: name as NatBehaviour, clients: 1 }] });
        lab = current;
        const inside = current.sides[0]!.clients[0]!;
        [client, server, serverOtherPort, serverOtherAddress] = await Promise.all([
          UdpProber.open(current, inside.host, { address: inside.address, port: CLIENT_PORT }),
          UdpProber.open(current, 'srv', CONTACTED),
          UdpProber.open(current, 'srv', OTHER_PORT),
          UdpProber.open(current, 'srv', OTHER_ADDRESS),
        ]);
      });

      async function mappingTowards(destination: ProbeAddress, receiver: UdpProber): Promise<ProbeAddress> {
        client.send(destination, 'probe');
        const { address, port } = await receiver.received();
        return { address, port };
      }

      it(`maps one socket to outside ports that are ${ports}`, async () => {
        const side = current.sides[0]!;

        const mappings = [
          await mappingTowards(CONTACTED, server),
          await mappingTowards(OTHER_PORT, serverOtherPort),
          await mappingTowards(OTHER_ADDRESS, serverOtherAddress),
        ];

        const outside = name === 'none' ? side.clients[0]!.address : side.wanAddress;
        expect(mappings.map(({ address }) => address)).toEqual([outside, outside, outside]);
        expect(relation(mappings.map(({ port }) => port))).toBe(ports);
      });

      it(`admits exactly ${JSON.stringify(admits)} besides the contacted address and port`, async () => {
        const mapping = await mappingTowards(CONTACTED, server);

        serverOtherAddress.send(mapping, 'other address');
        if (admits.otherAddress)
          expect(await client.received()).toEqual({ ...OTHER_ADDRESS, text: 'other address' });
        serverOtherPort.send(mapping, 'other port');
        if (admits.otherPort) expect(await client.received()).toEqual({ ...OTHER_PORT, text: 'other port' });
        await untilServerSent(current, 2);
        server.send(mapping, 'contacted');

        expect(await client.received()).toEqual({ ...CONTACTED, text: 'contacted' });
      });
    });
  });
}

/** Once the kernel counted them on the server's interface, a packet that does not arrive was filtered, not late. */
async function untilServerSent(lab: Lab, packets: number): Promise<void> {
  let sent = 0;
  while (sent < packets) sent = (await lab.counters()).server.relay.out.packets;
}
