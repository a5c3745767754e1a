import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePort } from './free-port.ts';

describe('freePort', () => {
  it('gives ports that can be listened on, below those of outgoing connections', async () => {
    for (let round = 0; round < 50; round += 1) {
      const port = await freePort();
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      expect(port).toBeGreaterThan(10_000);
      // with the second port of a server of a Redis Cluster, 10,000 above
      expect(port + 10_000).toBeLessThan(32_768);
    }
  });

  it('gives no port twice, which its first owner may listen on only later', async () => {
    const ports = new Set<number>();
    for (let round = 0; round < 500; round += 1) ports.add(await freePort());
    expect(ports.size).toBe(500);
  });

  it('passes over those that are taken', async () => {
    const first = await freePort();
    const holder = createServer().listen(first, '127.0.0.1');
    await once(holder, 'listening');

    const range = { from: first, to: first + 1 };
    const found = [await freePort(range), await freePort(range)];

    holder.close();
    await once(holder, 'close');
    expect(found).toEqual([first + 1, first + 1]);
  });
});
