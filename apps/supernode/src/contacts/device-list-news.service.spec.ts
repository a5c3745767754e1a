import { BackgroundTasks } from '../background-tasks.ts';
import { RecordingNotifier } from '../gateway/testing/recording-notifier.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { ContactsService } from './contacts.service.ts';
import { DeviceListNews } from './device-list-news.service.ts';
import { MemoryContactBook } from './testing/memory-contact-book.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const { tenant } = alice;

function setUp() {
  const background = new BackgroundTasks();
  const book = new MemoryContactBook();
  const notifier = new RecordingNotifier();
  notifier.connect(alice);
  notifier.connect(bob);
  const contacts = new ContactsService(book, notifier);
  const news = new DeviceListNews(new AccountChanges(background), contacts, book, notifier, background);
  news.onModuleInit();
  return { book, notifier, contacts, news };
}

describe('DeviceListNews', () => {
  it('reaches contacts, and nobody who is blocked', async () => {
    const { book, notifier, news, contacts } = setUp();
    book.befriend(tenant, alice.userId, bob.userId);
    const change = { tenant, userId: bob.userId, version: 2, added: [], removed: [] };

    await news.deviceListChanged(change);
    expect(notifier.take(alice, 'account.devices-changed')).toEqual([{ userId: 'bob', version: 2 }]);

    await contacts.block(bob, { userId: alice.userId });
    await news.deviceListChanged({ ...change, version: 3 });
    expect(notifier.take(alice, 'account.devices-changed')).toEqual([]);
  });

  it('tells both of the list that each has when they become contacts, again after a block too', async () => {
    const { book, notifier, contacts } = setUp();
    book.befriend(tenant, alice.userId, bob.userId);
    await contacts.block(bob, { userId: alice.userId });
    book.listVersions.set(bob.userId, 5);

    await contacts.unblock(bob, { userId: alice.userId });
    await contacts.request(bob, { userId: alice.userId });
    await new Promise((resolve) => setImmediate(resolve));

    expect(notifier.take(alice, 'account.devices-changed')).toContainEqual({ userId: 'bob', version: 5 });
    expect(notifier.take(bob, 'account.devices-changed')).toContainEqual({ userId: 'alice', version: 1 });
  });
});
