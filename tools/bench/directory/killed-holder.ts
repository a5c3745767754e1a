import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cluster, homeOf, type ObservedRoster, type SupernodeNode } from '@parley/test/cluster';
import { userIdSchema } from '@parley/protocol';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { machineClockMs } from '../machine-clock.ts';
import { BareUser } from '../mailbox/bare-user.ts';
import { retried } from '../storm/patient.ts';
import type { HolderCommands } from './holder-commands.ts';

const ENTRY = fileURLToPath(new URL('./holder-process.js', import.meta.url));
const SUPERNODES = 3;
/** Of three supernodes as many users do not all have the same home. */
const MAX_FINDERS = 32;
const RESOURCE = { kind: 'bench', key: 'held by who is killed' };
const POLL_MS = 50;
const DEADLINE_MS = 30_000;

/**
 * How long a resource is still found at another home after its only holder and the holder's home were killed. It is announced again and
 * again until then, so that its end is no earlier announcement's. NaN: it was not found as long as its holder lived.
 */
export async function goneAfterKill(ttlMs: number): Promise<number> {
  const cluster = await Cluster.start({
    supernodes: SUPERNODES,
    env: { SUPERNODE_LOG_LEVEL: 'error', SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '100000' },
  });
  const child = fork(ENTRY, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  child.stdout?.pipe(process.stderr);
  const holder = new RemoteProcess<HolderCommands>('holder', child);
  try {
    const roster = await cluster.untilSeats(SUPERNODES);
    const url = cluster.nodes[0]?.url ?? '';
    const { userId } = await holder.run('register', { url, handle: 'holder' });
    const home = nodeOf(cluster, roster, userId);
    await holder.run('signIn', { url: home.url });
    const finder = await finderElsewhere(cluster, roster, home);
    await finder.connection.request('contacts.request', { userId: userIdSchema.parse(userId) });
    await holder.run('accept', { userId: finder.userId });
    await holder.run('hold', { ...RESOURCE, ttlMs });
    // Without the later announcements it would be gone by now.
    await delay(1.5 * ttlMs);
    if (!(await isFound(finder))) return Number.NaN;

    const killedAt = machineClockMs();
    await Promise.all([home.kill(), holder.stop()]);
    while (await isFound(finder)) {
      if (machineClockMs() - killedAt > DEADLINE_MS) return Number.POSITIVE_INFINITY;
      await delay(POLL_MS);
    }
    return machineClockMs() - killedAt;
  } finally {
    await holder.stop();
    await cluster.close();
  }
}

async function isFound({ connection }: BareUser): Promise<boolean> {
  return (await connection.request('resource.find', RESOURCE)).holders.length > 0;
}

function nodeOf(cluster: Cluster, roster: ObservedRoster, userId: string): SupernodeNode {
  return cluster.node(homeOf(roster, userId)?.nodeId ?? '');
}

/** A user who is signed in at another home than `home`. */
async function finderElsewhere(
  cluster: Cluster,
  roster: ObservedRoster,
  home: SupernodeNode,
): Promise<BareUser> {
  for (let tries = 0; tries < MAX_FINDERS; tries += 1) {
    const user = new BareUser(home.url, `finder-${tries}`);
    const other = nodeOf(cluster, roster, user.userId);
    if (other === home) continue;
    await retried(() => user.register());
    await retried(() => user.signIn(other.url));
    return user;
  }
  throw new TypeError(`${MAX_FINDERS} users all have their home at ${home.nodeId}`);
}
