import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
/**
 * Below the source ports that Linux (32768), macOS and Windows (49152) give to connections. A server of a Redis Cluster
 * listens 10,000 above its port as well: that is below them too, and outside of the range.
 */
const PORTS = { from: 10_500, to: 20_499 };

/** The port to look at next. From a place of its own in each process, so that those that run side by side hardly meet. */
let next: number | undefined;

/**
 * A TCP port of loopback that nobody uses, that nobody else was given here, and that no outgoing connection takes by chance while the
 * server of a test is down: it can be started on it again.
 */
export async function freePort({ from, to } = PORTS): Promise<number> {
  for (;;) {
    const port = next === undefined || next < from || next > to ? randomInt(from, to + 1) : next;
    next = port === to ? from : port + 1;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, LOOPBACK);
  try {
    await once(probe, 'listening');
  } catch (error) {
    // jest gives its tests an Error of their own
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
