import { BackgroundTasks } from '../../background-tasks.ts';
import { ManualTime } from '../../clock/testing/manual-time.ts';
import { ContactsService } from '../../contacts/contacts.service.ts';
import { MemoryContactBook } from '../../contacts/testing/memory-contact-book.ts';
import { RecordingNotifier } from '../../gateway/testing/recording-notifier.ts';
import type { Caller } from '../../identity/caller.ts';
import { ConnectionPresence } from '../connection-presence.service.ts';
import { PresencePublisher } from '../presence-publisher.service.ts';
import { MemoryPresenceStore } from '../presence-store.memory.ts';
import { PresenceViews } from '../presence-views.service.ts';
import { PresenceService } from '../presence.service.ts';
import { SerialByKey } from '../../serial-by-key.ts';
import { MemoryWatchStore } from '../watch-store.memory.ts';
import { MemoryPresenceProfiles } from './memory-presence-profiles.ts';

export const GRACE_MS = 15_000;

/** Presence with everything around it in memory and time moved by hand. */
export function presenceWorld() {
  const time = new ManualTime();
  const contacts = new MemoryContactBook();
  const notifier = new RecordingNotifier();
  const profiles = new MemoryPresenceProfiles();
  const store = new MemoryPresenceStore();
  const watches = new MemoryWatchStore();
  const serial = new SerialByKey();
  const background = new BackgroundTasks();
  const contactsService = new ContactsService(contacts, notifier);
  const views = new PresenceViews(store, profiles, contacts, 1, time);
  const publisher = new PresencePublisher(store, watches, profiles, notifier, time, views, background);
  const presence = new PresenceService(
    store,
    watches,
    profiles,
    time,
    time,
    views,
    publisher,
    serial,
    contactsService,
    background,
  );
  const connections = new ConnectionPresence(
    store,
    watches,
    profiles,
    time,
    time,
    GRACE_MS,
    views,
    publisher,
    presence,
    serial,
    background,
  );
  presence.onModuleInit();

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
    connections,
    background,
    signIn,
  };
}
