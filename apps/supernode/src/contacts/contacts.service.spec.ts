import { LIMITS, userIdSchema } from '@parley/protocol';
import { RecordingNotifier } from '../gateway/testing/recording-notifier.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { ContactsService } from './contacts.service.ts';
import { MemoryContactBook } from './testing/memory-contact-book.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');

function setUp() {
  const book = new MemoryContactBook();
  const notifier = new RecordingNotifier();
  notifier.connect(alice);
  notifier.connect(bob);
  const service = new ContactsService(book, notifier);
  const relations: unknown[] = [];
  service.onRelationChanged((tenant, a, b, mutual) => relations.push([tenant, a, b, mutual]));
  return { book, notifier, service, relations };
}

describe('ContactsService', () => {
  it('tells the other user of a request and both of its acceptance', async () => {
    const { service, notifier, relations } = setUp();

    await service.request(alice, { userId: bob.userId });
    expect(notifier.take(bob, 'contacts.changed')).toMatchObject([
      { userId: 'alice', contact: { state: 'pending-in' } },
    ]);

    await service.accept(bob, { userId: alice.userId });
    expect(notifier.take(alice, 'contacts.changed')).toMatchObject([
      { userId: 'bob', contact: { state: 'accepted' } },
    ]);
    expect(relations).toEqual([['default', 'bob', 'alice', true]]);
  });

  it('tells a blocked user nothing', async () => {
    const { book, service, notifier, relations } = setUp();
    book.befriend(alice.tenant, alice.userId, bob.userId);

    await service.block(alice, { userId: bob.userId });

    expect(notifier.take(bob, 'contacts.changed')).toEqual([]);
    expect(relations).toEqual([['default', 'alice', 'bob', false]]);
  });

  it("tells the user's other devices, but not the one that acted", async () => {
    const { service, notifier } = setUp();
    const laptop = callerNamed('alice', 'laptop');
    notifier.connect(laptop);

    await service.request(alice, { userId: bob.userId });

    expect(notifier.take(laptop, 'contacts.changed')).toHaveLength(1);
    expect(notifier.take(alice, 'contacts.changed')).toEqual([]);
  });

  it.each([
    ['an absent user', 'nobody', 'NOT_FOUND'],
    ['oneself', 'alice', 'BAD_REQUEST'],
  ])('refuses a request to %s', async (_name, userId, code) => {
    const { book, service } = setUp();
    book.absent.add(userIdSchema.parse('nobody'));
    await expect(service.request(alice, { userId: userIdSchema.parse(userId) })).rejects.toMatchObject({
      code,
    });
  });

  it('refuses to accept what nobody asked', async () => {
    const { service } = setUp();
    await expect(service.accept(alice, { userId: bob.userId })).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('bounds the requests that one user may have open', async () => {
    const { service } = setUp();
    for (let n = 0; n < LIMITS.maxPendingContactRequests; n += 1) {
      await service.request(alice, { userId: userIdSchema.parse(`user-${n}`) });
    }
    await expect(service.request(alice, { userId: bob.userId })).rejects.toMatchObject({
      code: 'CONTACT_LIMIT',
    });
  });

  it('bounds the requests that wait for one user', async () => {
    const { service } = setUp();
    for (let n = 0; n < LIMITS.maxPendingContactRequests; n += 1) {
      await service.request(callerNamed(`user-${n}`), { userId: bob.userId });
    }
    await expect(service.request(alice, { userId: bob.userId })).rejects.toMatchObject({
      code: 'CONTACT_LIMIT',
    });
  });
});
