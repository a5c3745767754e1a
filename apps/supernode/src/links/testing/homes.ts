import { BackgroundTasks } from '../../background-tasks.ts';
import { MemoryCallLog } from '../../calls/testing/memory-call-log.ts';
import { ManualTime, settled } from '../../clock/testing/manual-time.ts';
import { slotOf } from '../../cluster/slot.ts';
import { SupernodeError } from '../../errors.ts';
import { MemoryContactBook } from '../../contacts/testing/memory-contact-book.ts';
import { MovableRoster } from '../../gateway/testing/movable-ownership.ts';
import { Metrics } from '../../observability/metrics.ts';
import { MemoryPresenceStore } from '../../presence/presence-store.memory.ts';
import type { PresencePaceSettings } from '../../presence/presence-pace.ts';
import { MemoryPresenceProfiles } from '../../presence/testing/memory-presence-profiles.ts';
import { MemoryWatchStore } from '../../presence/watch-store.memory.ts';
import { HomeSessionBook } from '../../rendezvous/home-session-book.ts';
import { DetachableBook } from '../../rendezvous/testing/detachable-book.ts';
import { rendezvousWorld } from '../../rendezvous/testing/rendezvous-world.ts';
import { LinkMetrics } from '../link-metrics.ts';
import { MemoryLinkNetwork } from '../link-transport.memory.ts';
import { ClusterLinks } from '../links.service.ts';

/** Several supernodes of one cluster in one process: links and shared state in memory, one clock that is moved by hand. */
export async function openHomes(names: readonly string[], pace?: PresencePaceSettings) {
  const time = new ManualTime();
  const network = new MemoryLinkNetwork();
  const roster = new MovableRoster();
  const shared = {
    contacts: new MemoryContactBook(),
    profiles: new MemoryPresenceProfiles(),
    // Fences are the matter of the store's own tests: here everybody writes as the owner.
    store: new MemoryPresenceStore({
      tenureOf: (tenant, userId) => {
        const slot = slotOf(tenant, userId);
        return { slot, epoch: roster.ownerOf(slot).epoch };
      },
    }),
    watches: new MemoryWatchStore(),
  };
  const sessions = new DetachableBook();
  const log = new MemoryCallLog();

  const open = async (nodeId: string) => {
    const ownership = roster.join(nodeId);
    const metrics = new Metrics({ withProcess: false });
    const parts = { clock: time, scheduler: time, background: new BackgroundTasks() };
    const links = new ClusterLinks(
      { nodeId, incarnation: 1 },
      { ...parts, transport: network.transport(), metrics: new LinkMetrics(metrics) },
    );
    await links.open();
    const world = rendezvousWorld(time, {
      shared,
      ownership,
      links,
      book: new HomeSessionBook(sessions.store, ownership, time, metrics),
      log,
      ...(pace === undefined ? {} : { pace }),
    });
    return { ...world, nodeId, ownership, links, linkMetrics: metrics };
  };
  const homes = await Promise.all(names.map(open));

  /** Until nothing is under way that needs no time. */
  const quiet = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await settled();
  };
  const elapse = async (milliseconds: number): Promise<void> => {
    const end = time.monotonic() + milliseconds;
    while (time.monotonic() < end) {
      await time.advance(Math.min(50, end - time.monotonic()));
      await quiet();
    }
  };
  /** Takes all that is shared in Redis away; the returned function brings it back, with what it had. */
  const cutOff = (): (() => void) => {
    sessions.isAway = true;
    const stores: object[] = [shared.store, shared.watches];
    for (const store of stores) {
      const away = () =>
        Promise.reject(new SupernodeError('SN_REDIS_UNREACHABLE', 'Redis does not answer now.'));
      for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(store) as object)) {
        if (name !== 'constructor') Object.assign(store, { [name]: away });
      }
    }
    return () => {
      sessions.isAway = false;
      for (const store of stores) {
        for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(store) as object)) {
          Reflect.deleteProperty(store, name);
        }
      }
    };
  };
  return { time, network, roster, shared, sessions, cutOff, homes, quiet, elapse };
}
