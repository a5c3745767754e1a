import { BackgroundTasks } from '../../background-tasks.ts';
import { ManualTime } from '../../clock/testing/manual-time.ts';
import { OwnAddresses } from '../../cluster/own-addresses.ts';
import { SoleOwnership } from '../../cluster/sole-ownership.ts';
import { ContactsService } from '../../contacts/contacts.service.ts';
import { MemoryContactBook } from '../../contacts/testing/memory-contact-book.ts';
import { RecordingNotifier } from '../../gateway/testing/recording-notifier.ts';
import type { Caller } from '../../identity/caller.ts';
import { ConnectionPresence } from '../connection-presence.service.ts';
import { PresenceChanges } from '../presence-changes.service.ts';
import { PresenceHistory } from '../presence-history.service.ts';
import { DevicePresences } from '../device-presences.ts';
import { DeviceTimers } from '../device-timers.ts';
import { RelationPresence } from '../relation-presence.service.ts';
import { WatchingService } from '../watching.service.ts';
import { MemoryPresenceStore } from '../presence-store.memory.ts';
import { PresenceViews } from '../presence-views.service.ts';
import { PresenceService } from '../presence.service.ts';
import { MemoryWatchStore } from '../watch-store.memory.ts';
import { MemoryPresenceProfiles } from './memory-presence-profiles.ts';

export const GRACE_MS = 15_000;

/** Presence with everything around it in memory and time moved by hand. */
export function presenceWorld(time = new ManualTime()) {
  const contacts = new MemoryContactBook();
  const notifier = new RecordingNotifier();
  const profiles = new MemoryPresenceProfiles();
  const store = new MemoryPresenceStore(new SoleOwnership('self', 1, new OwnAddresses()));
  const watches = new MemoryWatchStore();
  const background = new BackgroundTasks();
  const contactsService = new ContactsService(contacts, notifier);
  const devices = new DevicePresences(store, time);
  const timers = new DeviceTimers(time, background);
  const views = new PresenceViews(devices, profiles, contacts);
  const history = new PresenceHistory(profiles, time, time, background);
  const changes = new PresenceChanges(devices, watches, views, history, notifier);
  const presence = new PresenceService(devices, changes, views, timers, profiles);
  const watching = new WatchingService(watches, views);
  const connections = new ConnectionPresence(devices, changes, timers, watches, profiles, GRACE_MS);
  new RelationPresence(contactsService, changes, background).onModuleInit();

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
    background,
    signIn,
  };
}
