import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { labAvailability, type Privilege } from './availability.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { childrenOf, networkNamespacesOf, processesIn } from './process-table.ts';
import { tunUnavailable } from './tun-availability.ts';
import { UdpProber } from './udp-prober.ts';

jest.setTimeout(30_000);

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const SERVER = { address: '198.18.0.10', port: 3478 };
const availability = labAvailability();
const hasDevices = tunUnavailable() === undefined;

/** Root can take both ways, and so tests both. */
const privileges: Privilege[] =
  availability.kind === 'unavailable'
    ? []
    : availability.privilege === 'root'
      ? ['root', 'user-namespace']
      : ['user-namespace'];

if (availability.kind === 'unavailable') {
  describe('NAT lab', () => {
    it(`is not available on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
} else {
  let lab: Lab | undefined;
  let owner: ChildProcess | undefined;

  afterEach(async () => {
    owner?.kill('SIGKILL');
    await lab?.close();
  });

  async function open(options: LabOptions): Promise<Lab> {
    lab = await createLab(options);
    return lab;
  }

  describe.each(privileges)('NAT lab › with privilege %s', (privilege) => {
    it('counts direct packets between two clients apart from those of the server', async () => {
      const current = await open({
        sides: [{ behaviour: PORT_RESTRICTED }, { behaviour: PORT_RESTRICTED }],
        privilege,
      });
      const server = await UdpProber.open(current, 'srv', SERVER);
      const [left, right] = await Promise.all(
        current.sides.map(({ clients: [client] }) =>
          UdpProber.open(current, client!.host, { address: client!.address, port: 5000 }),
        ),
      );
      const [leftMapping, rightMapping] = current.sides.map(({ wanAddress }) => ({
        address: wanAddress,
        port: 5000,
      }));

      left!.send(SERVER, 'left');
      await server.received();
      right!.send(SERVER, 'right');
      await server.received();
      left!.send(rightMapping!, 'opens the left NAT, is dropped at the right one');
      await untilLeft(current, 1);
      right!.send(leftMapping!, 'opens the right NAT');
      expect(await left!.received()).toEqual({ ...rightMapping, text: 'opens the right NAT' });
      left!.send(rightMapping!, 'passes');
      expect(await right!.received()).toEqual({ ...leftMapping, text: 'passes' });

      const headers = 2 * (20 + 8);
      const none = { packets: 0, bytes: 0 };
      const counters = await current.counters();
      expect(counters.direct).toEqual({
        packets: 2,
        bytes: headers + 'opens the right NAT'.length + 'passes'.length,
      });
      expect(counters.viaServer).toEqual({ packets: 2, bytes: headers + 'left'.length + 'right'.length });
      expect(counters.server).toEqual({
        stun: { in: counters.viaServer, out: none },
        relay: { in: none, out: none },
        tcp: { in: none, out: none },
      });
      expect(counters.routers.map(({ direct }) => direct.out.packets)).toEqual([2, 1]);
    });

    it('lets two clients behind one NAT reach each other on their own network', async () => {
      const current = await open({ sides: [{ behaviour: PORT_RESTRICTED }], privilege });
      const [first, second] = current.sides[0]!.clients.map(({ host, address }) => ({
        host,
        address,
        port: 5000,
      }));
      const [sender, receiver] = await Promise.all(
        [first!, second!].map((at) => UdpProber.open(current, at.host, at)),
      );

      sender!.send(second!, 'neighbour');

      expect(await receiver!.received()).toEqual({ address: first!.address, port: 5000, text: 'neighbour' });
      expect((await current.counters()).direct.packets).toBe(0);
    });

    it('refuses UDP and lets only TCP to port 443 out where UDP is blocked', async () => {
      const current = await open({ sides: [{ behaviour: 'udp-blocked' }], privilege });
      const [client] = current.sides[0]!.clients;
      const prober = await UdpProber.open(
        current,
        client!.host,
        { address: client!.address, port: 5000 },
        SERVER,
      );

      prober.send(SERVER, 'refused');

      expect(await prober.refusal()).toBe('EHOSTUNREACH');
      expect((await current.counters()).viaServer.packets).toBe(0);
      expect(await connectTcp(current, client!.host, 443)).toBe('connected');
      expect(await connectTcp(current, client!.host, 8080)).toBe('EHOSTUNREACH');
    });

    it("hands over the program's own exit code and signals", async () => {
      const current = await open({ sides: [], privilege });

      const exiting = current.spawn('srv', process.execPath, ['-e', 'process.exit(7)']);
      expect(await once(exiting, 'exit')).toEqual([7, null]);

      const waiting = current.spawn('srv', process.execPath, [
        '-e',
        "process.on('SIGTERM', () => process.exit(9)); setInterval(() => {}, 1e6); console.log('ready')",
      ]);
      await once(waiting.stdout!, 'data');
      waiting.kill('SIGTERM');
      expect(await once(waiting, 'exit')).toEqual([9, null]);
    });

    it('leaves nothing behind when it is closed, not even what a program left running', async () => {
      const namedBefore = namedNamespaces();
      const current = await open({ sides: [{ behaviour: PORT_RESTRICTED }], privilege });
      const hosts = ['srv', 'nat-a', 'a1', 'a2'];
      const children = await Promise.all(hosts.map((host) => startWithStray(current, host)));
      const namespaces = networkNamespacesOf([
        ...children.map(({ pid }) => pid!),
        ...childrenOf(process.pid),
      ]);
      namespaces.delete([...networkNamespacesOf([process.pid])][0]!);
      expect(namespaces.size).toBe(hosts.length + 1);
      expect(processesIn(namespaces).length).toBeGreaterThanOrEqual(2 * hosts.length);

      await current.close();

      await until(() => processesIn(namespaces).length === 0);
      expect(namedNamespaces()).toEqual(namedBefore);
      expect(() => current.spawn('srv', 'true')).toThrow(expect.objectContaining({ code: 'LAB_CLOSED' }));
    });

    it('leaves nothing behind when its owner is killed', async () => {
      const namedBefore = namedNamespaces();
      owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER, privilege, String(hasDevices)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(owner.stdout!, 'data');
      const namespaces = networkNamespacesOf(childrenOf(owner.pid!));
      expect(namespaces.size).toBe(hasDevices ? 3 : 2); // the internet, the server, and the translating router
      expect(processesIn(namespaces).length).toBeGreaterThanOrEqual(hasDevices ? 5 : 3);

      owner.kill('SIGKILL');
      await once(owner, 'exit');

      await until(() => processesIn(namespaces).length === 0);
      expect(namedNamespaces()).toEqual(namedBefore);
    });
  });

  describe('NAT lab', () => {
    it('is set up in less than a second', async () => {
      const side = { behaviour: 'endpoint-independent/address-dependent' } as const;

      const times = [];
      for (let round = 0; round < 3; round += 1) {
        const start = performance.now();
        const current = await open({ sides: [side, side] });
        times.push(performance.now() - start);
        await current.close();
      }

      expect(Math.min(...times)).toBeLessThan(1_000);
    });

    it('names the hosts that it has when asked for another', async () => {
      const current = await open({ sides: [{ behaviour: 'none', clients: 1 }] });

      expect(() => current.spawn('b1', 'true')).toThrow('there is no host b1, only srv, nat-a, a1');
    });
  });
}

/** The compiled lab, as an application of it would use it; a program that is started leaves a stray of its own. */
const OWNER = `
import { createLab } from ${JSON.stringify(new URL('../dist/natlab/index.js', import.meta.url).href)};
const [, privilege, hasDevices] = process.argv;
const withPrograms = { sides: [{ behaviour: 'address-dependent/random-ports' }], adjustableLinks: true };
const lab = await createLab({ ...(hasDevices === 'true' ? withPrograms : { sides: [] }), privilege });
const child = lab.spawn('srv', 'sh', ['-c', 'setsid sleep 1000 & echo started; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
child.stdout.once('data', () => console.log('ready'));
`;

async function startWithStray(lab: Lab, host: string): Promise<ChildProcess> {
  const child = lab.spawn(host, 'sh', ['-c', 'setsid sleep 1000 & echo started; wait']);
  await once(child.stdout!, 'data');
  return child;
}

/** Opens a TCP connection to the server from `host`: `connected`, or the code of the refusal. */
async function connectTcp(lab: Lab, host: string, port: number): Promise<string> {
  const address = JSON.stringify({ host: SERVER.address, port });
  const listening = lab.spawn('srv', process.execPath, [
    '-e',
    `require('net').createServer().listen(${address}, () => console.log('listening'))`,
  ]);
  await once(listening.stdout!, 'data');
  const connecting = lab.spawn(host, process.execPath, [
    '-e',
    `require('net').connect(${address}).on('connect', () => { console.log('connected'); process.exit(); })
       .on('error', (error) => console.log(error.code))`,
  ]);
  const [answer] = (await once(connecting.stdout!, 'data')) as [Buffer];
  listening.kill();
  return answer.toString().trim();
}

/** Namespaces that carry a name on this machine, outside any lab. */
function namedNamespaces(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : [];
}

async function untilLeft(lab: Lab, packets: number): Promise<void> {
  let sent = 0;
  while (sent < packets) sent = (await lab.counters()).routers[0]!.direct.out.packets;
}

/** The kernel ends processes in its own time; the deadline is the test's. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
