import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, describe, it, jest } from '@jest/globals';
import { freePort } from '@parley/nat/testing';
import { labAvailability } from './availability.ts';
import { createLab } from './lab.ts';
import { LoopbackBridge } from './loopback-bridge.ts';

jest.setTimeout(60_000);

const ASK = (port: number): string =>
  `require('net').connect(${port}, '127.0.0.1').on('error', ({ code }) => console.log(code)).end('ping').pipe(process.stdout)`;
const availability = labAvailability();

if (availability.kind === 'unavailable') {
  describe('NAT lab › a bridge to loopback outside', () => {
    it(`is not available on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
} else {
  describe('NAT lab › a bridge to loopback outside', () => {
    it('is there on the machines that it was led to, and passes no packet through the lab', async () => {
      const port = await freePort();
      const server = createServer(
        (socket) => void socket.on('data', (data) => socket.end(`${data.toString()} pong`)),
      );
      await once(server.listen(port, '127.0.0.1'), 'listening');
      const lab = await createLab({ sides: [{ behaviour: 'none' }] });
      const bridge = await LoopbackBridge.open([port]);
      const answerAt = async (host: string): Promise<string> => {
        const child = lab.spawn(host, process.execPath, ['-e', ASK(port)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let said = '';
        child.stdout?.on('data', (part: Buffer) => (said += part.toString()));
        await once(child, 'close');
        return said.trim();
      };
      try {
        const before = await lab.serverTraffic();
        await bridge.lead(lab, 'srv');

        expect(await answerAt('srv')).toBe('ping pong');
        expect(await answerAt('a1')).toBe('ECONNREFUSED');
        expect(await lab.serverTraffic()).toEqual(before);
        await expect(bridge.lead(lab, 'srv')).rejects.toMatchObject({
          code: 'LAB_COMMAND_FAILED',
          message: expect.stringContaining('EADDRINUSE'),
        });
      } finally {
        await bridge.close();
        await lab.close();
        server.close();
      }
    });
  });
}
