import { BackgroundTasks } from '../../background-tasks.ts';
import { ManualTime } from '../../clock/testing/manual-time.ts';
import { OwnAddresses } from '../../cluster/own-addresses.ts';
import type { Ownership } from '../../cluster/ownership.port.ts';
import { SoleOwnership } from '../../cluster/sole-ownership.ts';
import { ContactsService } from '../../contacts/contacts.service.ts';
import { MemoryContactBook } from '../../contacts/testing/memory-contact-book.ts';
import { RecordingNotifier } from '../../gateway/testing/recording-notifier.ts';
import type { Caller } from '../../identity/caller.ts';
import { ClusterNotifier } from '../../links/cluster-notifier.ts';
import { HomeLinks } from '../../links/home-links.ts';
import type { Links } from '../../links/links.port.ts';
import { SoleLinks } from '../../links/sole-links.ts';
import { Metrics } from '../../observability/metrics.ts';
import type { SharedState } from '../../redis/redis.module.ts';
import { ConnectionPresence } from '../connection-presence.service.ts';
import { PresenceChanges } from '../presence-changes.service.ts';
import { PresenceFanOut } from '../presence-fan-out.service.ts';
import { PresenceHistory } from '../presence-history.service.ts';
import type { PresencePaceSettings } from '../presence-pace.ts';
import type { PresenceStore, WatchStore } from '../presence-store.port.ts';
import { PresenceRenewal } from '../presence-renewal.service.ts';
import { PresenceTakeover } from '../presence-takeover.service.ts';
import { DevicePresences } from '../device-presences.ts';
import { DeviceTimers } from '../device-timers.ts';
import { HomeWatches } from '../home-watches.service.ts';
import { LimitedStates } from '../limited-states.ts';
import { RelationPresence } from '../relation-presence.service.ts';
import { WatchingService } from '../watching.service.ts';
import { MemoryPresenceStore } from '../presence-store.memory.ts';
import { StoreLosses } from '../store-losses.service.ts';
import { PresenceViews } from '../presence-views.service.ts';
import { PresenceService } from '../presence.service.ts';
import { MemoryWatchStore } from '../watch-store.memory.ts';
import { MemoryPresenceProfiles } from './memory-presence-profiles.ts';

export const GRACE_MS = 15_000;

/** What the supernodes of one test share. */
export interface SharedPresence {
  readonly contacts: MemoryContactBook;
  readonly profiles: MemoryPresenceProfiles;
  readonly store: PresenceStore;
  readonly watches: WatchStore;
}

/** What a world has that is not alone. */
export interface WorldParts {
  readonly shared?: SharedPresence;
  readonly ownership?: Ownership;
  readonly links?: Links;
  readonly pace?: PresencePaceSettings;
}

/** Every change is told at once. */
const UNPACED: PresencePaceSettings = { windowMs: 0, burst: Infinity, perMinute: 60 };

/** Presence with everything around it in memory and time moved by hand. */
export function presenceWorld(time = new ManualTime(), parts: WorldParts = {}) {
  const { ownership = new SoleOwnership('self', 1, new OwnAddresses()), pace = UNPACED } = parts;
  const background = new BackgroundTasks();
  const { links = new SoleLinks(ownership.self, background) } = parts;
  const {
    contacts = new MemoryContactBook(),
    profiles = new MemoryPresenceProfiles(),
    store = new MemoryPresenceStore(ownership),
    watches: watchStore = new MemoryWatchStore(),
  } = parts.shared ?? {};
  const metrics = new Metrics({ withProcess: false });
  // Only whether there is one matters: nothing here uses its connection.
  const isShared = parts.shared ? ({} as SharedState) : null;
  const watches = new HomeWatches(watchStore, isShared, background, time, metrics);
  const homes = new HomeLinks(ownership, links, time, time, metrics);
  const notifier = new RecordingNotifier((local) => {
    const routed = new ClusterNotifier(local, homes, links, store, time);
    routed.onModuleInit();
    return routed;
  });
  const contactsService = new ContactsService(contacts, notifier);
  const devices = new DevicePresences(store, ownership, time, time, background);
  const timers = new DeviceTimers(time, background);
  const views = new PresenceViews(devices, profiles, contacts);
  const history = new PresenceHistory(profiles, time, time, background);
  const fanOut = new PresenceFanOut(watches, views, notifier, homes, links, metrics);
  fanOut.onModuleInit();
  const changes = new PresenceChanges(devices, fanOut, history, background, time, time, pace);
  const limits = new LimitedStates(devices, changes, timers);
  const presence = new PresenceService(devices, changes, views, limits, profiles);
  const watching = new WatchingService(watches, views);
  const comebacks = { isHoldingUp: false };
  const connections = new ConnectionPresence(
    ...([devices, changes, timers, limits, watches, profiles, comebacks, GRACE_MS] as const),
  );
  new RelationPresence(contactsService, fanOut, background).onModuleInit();
  const takeover = new PresenceTakeover(
    ownership,
    store,
    notifier.local,
    devices,
    changes,
    connections,
    timers,
    background,
    time,
    GRACE_MS,
  );
  takeover.onModuleInit();
  const renewal = new PresenceRenewal(devices, store, watches, time, background);
  /** The shared store lost everything, and is back. */
  const losses: (() => void)[] = [];
  const connection = { onEmptied: (listener: () => void) => void losses.push(listener) };
  const shared = { connection } as unknown as SharedState;
  new StoreLosses(shared, devices, renewal, changes, background, time).onModuleInit();
  const storeEmptied = (): void => {
    for (const tell of losses) tell();
  };

  const signIn = async (caller: Caller): Promise<void> => {
    notifier.connect(caller);
    await connections.deviceReachable(caller, 'signed-in');
  };
  return {
    time,
    contacts,
    contactsService,
    notifier,
    profiles,
    store,
    views,
    presence,
    watching,
    connections,
    comebacks,
    background,
    devices,
    watches,
    homes,
    ownership,
    links,
    metrics,
    signIn,
    storeEmptied,
  };
}
