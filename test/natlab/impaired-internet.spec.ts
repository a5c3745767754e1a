import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { labAvailability } from './availability.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { childrenOf, networkNamespacesOf, processesIn } from './process-table.ts';
import { tunUnavailable } from './tun-availability.ts';

jest.setTimeout(60_000);

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const DELAY_MS = 25;
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** Processes wait for a processor on a busy machine; the best of many attempts did not. */
const LATENESS_MS = 5;
const SERVER = '198.18.0.10';
const BULK_BYTES = 4_000_000;
const PACKETS = 2_000;
const LOSS = 0.2;

/** Echoes UDP and TCP on port 4000; the sum of what came on TCP 4001; how many datagrams came on UDP 4002. */
const SERVER_PROGRAM = `
const udp = require('dgram').createSocket('udp4');
udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
require('net').createServer((stream) => stream.pipe(stream)).listen(4000, '${SERVER}');
require('net').createServer((stream) => {
  const sum = require('crypto').createHash('sha256');
  stream.on('data', (bytes) => sum.update(bytes)).on('end', () => console.log(sum.digest('hex')));
}).listen(4001, '${SERVER}');
let count = 0;
require('dgram').createSocket('udp4').on('message', (bytes) => {
  count += 1;
  if (bytes.toString() === 'last') console.log(count);
}).bind(4002, '${SERVER}');
udp.bind(4000, '${SERVER}', () => console.log('ready'));
`;

/** Prints the best of 20 round trips. */
const UDP_ROUND_TRIPS = (peer: string): string => `
const socket = require('dgram').createSocket('udp4');
let began, best = Infinity, left = 20;
const ask = () => { began = performance.now(); socket.send('?', 4000, '${peer}'); };
socket.on('message', () => {
  best = Math.min(best, performance.now() - began);
  if ((left -= 1) > 0) ask(); else { console.log(best); socket.close(); }
});
ask();
`;

const TCP_ROUND_TRIPS = `
const stream = require('net').connect(4000, '${SERVER}').setNoDelay(true);
let began, best = Infinity, left = 20;
const ask = () => { began = performance.now(); stream.write('?'); };
stream.on('connect', ask).on('data', () => {
  best = Math.min(best, performance.now() - began);
  if ((left -= 1) > 0) ask(); else { console.log(best); stream.end(); }
});
`;

const TCP_BULK = `require('net').connect(4001, '${SERVER}').end(Buffer.alloc(${BULK_BYTES}, 'parley'));`;

/** Paced in small groups, so that no queue overflows and what is missing was lost on the way. */
const UDP_BULK = `
const socket = require('dgram').createSocket('udp4');
let left = ${PACKETS};
const timer = setInterval(() => {
  for (let n = 0; n < 20; n += 1, left -= 1) socket.send('x', 4002, '${SERVER}');
  if (left > 0) return;
  clearInterval(timer);
  // any of them may be lost too, and the first that is not ends the count
  for (let n = 0; n < 20; n += 1) socket.send('last', 4002, '${SERVER}', n === 19 ? () => socket.close() : undefined);
}, 2);
`;

const availability = labAvailability();
const missing = availability.kind === 'unavailable' ? availability.reason : tunUnavailable();

if (missing !== undefined) {
  describe('NAT lab › links with a delay or with loss', () => {
    it(`are not available on this machine: ${missing}`, async () => {
      await expect(createLab({ sides: [], linkDelayMs: 1 })).rejects.toMatchObject({
        code: 'LAB_UNAVAILABLE',
      });
    });
  });
} else {
  describe('NAT lab › links with a delay or with loss', () => {
    let lab: Lab | undefined;

    afterEach(async () => lab?.close());

    async function open(options: LabOptions): Promise<{ current: Lab; server: AsyncIterator<string> }> {
      const current = await createLab(options);
      lab = current;
      const server = linesOf(run(current, 'srv', SERVER_PROGRAM));
      expect(await nextLine(server)).toBe('ready');
      return { current, server };
    }

    const sides = [{ behaviour: PORT_RESTRICTED }, { behaviour: 'none' }] as const;

    it('hold UDP and TCP back for the delay in each direction, between any two sites', async () => {
      const { current } = await open({ sides, linkDelayMs: DELAY_MS });
      const [, publicSide] = current.sides;
      const publicClient = publicSide!.clients[0]!;
      const peer = linesOf(
        run(current, publicClient.host, SERVER_PROGRAM.replaceAll(SERVER, publicClient.address)),
      );
      await nextLine(peer);

      const roundTrips = {
        udp: await measure(current, 'a1', UDP_ROUND_TRIPS(SERVER)),
        tcp: await measure(current, 'a1', TCP_ROUND_TRIPS),
        betweenClients: await measure(current, 'a1', UDP_ROUND_TRIPS(publicClient.address)),
      };

      for (const milliseconds of Object.values(roundTrips)) {
        expect(milliseconds).toBeGreaterThanOrEqual(ROUND_TRIP_MS);
        expect(milliseconds).toBeLessThan(ROUND_TRIP_MS + LATENESS_MS);
      }
    });

    it('do not hold back what stays behind one NAT', async () => {
      const { current } = await open({ sides, linkDelayMs: DELAY_MS });
      const neighbour = current.sides[0]!.clients[1]!;
      await nextLine(
        linesOf(run(current, neighbour.host, SERVER_PROGRAM.replaceAll(SERVER, neighbour.address))),
      );

      expect(await measure(current, 'a1', UDP_ROUND_TRIPS(neighbour.address))).toBeLessThan(LATENESS_MS);
    });

    it('carry a bulk transfer unharmed', async () => {
      const { current, server } = await open({ sides, linkDelayMs: DELAY_MS });

      run(current, 'a1', TCP_BULK);

      const sum = createHash('sha256').update(Buffer.alloc(BULK_BYTES, 'parley')).digest('hex');
      expect(await nextLine(server)).toBe(sum);
    });

    it('lose the stated share of the packets', async () => {
      const { current, server } = await open({ sides, linkDelayMs: 1, loss: LOSS });

      run(current, 'a1', UDP_BULK);

      const arrived = Number(await nextLine(server)) / PACKETS;
      expect(arrived).toBeGreaterThan(1 - LOSS - 0.05);
      expect(arrived).toBeLessThan(1 - LOSS + 0.05);
    });

    it('leave nothing behind, not even the process that plays the distance', async () => {
      const before = new Set(childrenOf(process.pid));
      const { current } = await open({ sides, linkDelayMs: DELAY_MS });
      const started = childrenOf(process.pid).filter((pid) => !before.has(pid));
      const namespaces = networkNamespacesOf(started);
      for (const outer of networkNamespacesOf([process.pid])) namespaces.delete(outer);
      expect(started).toHaveLength(3); // the holder, the distance, the server
      expect(namespaces.size).toBe(2);

      await current.close();

      while (processesIn(namespaces).length > 0) await new Promise((resolve) => setImmediate(resolve));
      expect(processesIn(namespaces)).toEqual([]);
    });

    it('are refused with a share of loss that is none', async () => {
      await expect(createLab({ sides: [], loss: 1.5 })).rejects.toMatchObject({ code: 'LAB_SETUP_FAILED' });
    });
  });
}

function run(lab: Lab, host: string, program: string): ChildProcess {
  return lab.spawn(host, process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
}

function linesOf(child: ChildProcess): AsyncIterator<string> {
  return createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const line = await lines.next();
  if (line.done === true) throw new TypeError('the program ended without a word');
  return line.value;
}

async function measure(lab: Lab, host: string, program: string): Promise<number> {
  const child = run(lab, host, program);
  const ended = once(child, 'exit');
  const line = await nextLine(linesOf(child));
  await ended;
  return Number(line);
}
