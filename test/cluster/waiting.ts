import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterError } from './errors.ts';

export const LOOPBACK = '127.0.0.1';
const INTERVAL_MS = 50;

/** Looks again and again until there is something. @throws ClusterError DEADLINE */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined> | Found | undefined,
  deadlineMs = 30_000,
): Promise<Found> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new ClusterError('DEADLINE', `${what}: not within ${deadlineMs} ms`);
    await delay(INTERVAL_MS);
  }
}

/** What a server answers to one line; undefined when it does not take the connection. */
export function answerOf(port: number, line: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK, () => socket.write(line));
    const end = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(undefined));
    socket.once('data', (data) => end(data.toString()));
    socket.once('error', () => end(undefined));
    socket.once('close', () => end(undefined));
  });
}
