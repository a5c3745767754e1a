import { afterEach, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SupernodeError } from '../errors.ts';
import { MemorySessionBook } from './session-book.memory.ts';
import { EXPIRY_MS, rendezvousWorld } from './testing/rendezvous-world.ts';
import { sessionId, signingCaller } from './testing/signed-halves.ts';

const alice = signingCaller('alice');
const bob = signingCaller('bob');

afterEach(() => {
  jest.restoreAllMocks();
});

it('logs once for each time that the store is away', async () => {
  const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
  const book = new MemorySessionBook();
  const { time } = rendezvousWorld(undefined, { book });
  const take = jest.spyOn(book, 'takeExpired');
  for (const outage of [1, 2]) {
    take.mockRejectedValue(new SupernodeError('SN_REDIS_UNREACHABLE', 'Not now.'));
    await time.advance(5000);
    expect(logged).toHaveBeenCalledTimes(outage);
    take.mockResolvedValue([]);
    await time.advance(1000);
  }
});

it('confirms what it told of, and not before', async () => {
  const book = new MemorySessionBook();
  const { time, contacts, signIn, offer, notifier } = rendezvousWorld(undefined, { book });
  contacts.befriend(alice.tenant, alice.userId, bob.userId);
  for (const device of [alice, bob]) await signIn(device);
  await offer(alice, [bob], sessionId(1));
  const confirmed: unknown[] = [];
  book.confirmExpired = (...args: unknown[]) => {
    confirmed.push({ args, told: notifier.take(alice, 'session.ended') });
    return Promise.resolve();
  };
  await time.advance(EXPIRY_MS + 500);
  expect(confirmed).toMatchObject([
    { args: [[{ sessionId: sessionId(1) }]], told: [{ sessionId: sessionId(1), reason: 'expired' }] },
  ]);
});
