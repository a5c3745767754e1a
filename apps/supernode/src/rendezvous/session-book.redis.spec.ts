import { expect, it } from '@jest/globals';
import { callerNamed } from '../identity/testing/callers.ts';
import { SupernodeError } from '../errors.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { RedisSessionBook } from './session-book.redis.ts';
import { idOf, ringing, session, sessionBookContract } from './testing/session-book.contract.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
/** The clock of the contract. */
const clock = { now: () => 0 };

describeRedis('RedisSessionBook', (lab) => {
  sessionBookContract(() => new RedisSessionBook(lab.connection, lab.freshKeys(), clock));

  it('lets one of many claims win, whichever supernode makes it', async () => {
    const keys = lab.freshKeys();
    const books = Array.from({ length: 5 }, () => new RedisSessionBook(lab.connection, keys, clock));
    await books[0]!.open(session(1), 0);
    const claims = books.flatMap((book, n) =>
      [0, 1].map(() =>
        book.change(alice.tenant, idOf(1), (current) =>
          current.state === 'offered'
            ? { ...current, state: 'answered', answeredBy: callerNamed('bob', `device ${n}`) }
            : undefined,
        ),
      ),
    );
    expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
  });

  it('loses no change, however many are made at once', async () => {
    const book = new RedisSessionBook(lab.connection, lab.freshKeys(), clock);
    await book.open(session(1), 0);
    const add = (n: number) =>
      book.change(alice.tenant, idOf(1), (current) => ({
        ...current,
        relays: new Map([...current.relays, [callerNamed('bob', `device ${n}`).deviceId, `relay ${n}`]]),
      }));
    await Promise.all(Array.from({ length: 8 }, (_, n) => add(n)));
    expect((await book.find(alice.tenant, idOf(1)))?.relays.size).toBe(8);
  });

  it('gives up typed where a session changes under every try', async () => {
    const keys = lab.freshKeys();
    const book = new RedisSessionBook(lab.connection, keys, clock);
    await book.open(session(1), 0);
    const [tenant, id] = [alice.tenant, idOf(1)];
    const meddling: RedisCommands = {
      run: (...args) => lab.connection.run(...args),
      command: async (...args) => {
        const reply = await lab.connection.command(...args);
        await book.change(tenant, id, (current) => ({ ...current, expiresAt: current.expiresAt + 1 }));
        return reply;
      },
    };
    const unlucky = new RedisSessionBook(meddling, keys, clock);
    await expect(
      unlucky.change(tenant, id, (current) => ({ ...current, isMuted: true })),
    ).rejects.toMatchObject({ code: 'SN_STORE_CONTENDED' });
  });

  it('leaves nothing of sessions that ended, however they did', async () => {
    const keys = lab.freshKeys();
    const book = new RedisSessionBook(lab.connection, keys, clock);
    for (const n of [1, 2, 3, 4, 5]) await book.open(session(n, { call: n === 5 ? ringing : null }), 0);
    const answer = (n: number) =>
      book.change(alice.tenant, idOf(n), (s) => ({ ...s, state: 'answered', answeredBy: bob }));
    for (const n of [2, 3, 5]) await answer(n);
    expect(lab.storedForEver(keys)).toEqual([]);

    await book.change(alice.tenant, idOf(1), () => null);
    expect(await book.forgetOldestAnswered(alice.tenant, alice.deviceId)).toBe(true);
    expect(await book.takeOf(alice.tenant, alice.deviceId)).toHaveLength(2);
    const expired = await book.takeExpired(1000);
    expect(expired).toHaveLength(1);
    expect(lab.storedForEver(keys)).toEqual([]);
    await book.confirmExpired(expired);

    const left = lab.stored(keys);
    expect(left.filter((name) => !name.includes(':used:'))).toEqual([]);
    expect(left).toHaveLength(5);
    expect(lab.storedForEver(keys)).toEqual([]);
  });

  it('gives expired sessions again, to any supernode, until one confirms that it has told of them', async () => {
    const keys = lab.freshKeys();
    const [one, another] = [1, 2].map(() => new RedisSessionBook(lab.connection, keys, clock));
    for (const n of [1, 2]) await one!.open(session(n, { call: ringing }), 0);
    let isAnswerLost = true;
    const forgetful: RedisCommands = {
      command: (...args) => lab.connection.command(...args),
      run: async (...args) => {
        const reply = await lab.connection.run(...args);
        if (isAnswerLost) throw new SupernodeError('SN_REDIS_UNREACHABLE', 'Redis did not answer in time.');
        return reply;
      },
    };
    await expect(new RedisSessionBook(forgetful, keys, clock).takeExpired(1000)).rejects.toMatchObject({
      code: 'SN_REDIS_UNREACHABLE',
    });
    isAnswerLost = false;

    expect(await another!.find(alice.tenant, idOf(1))).toBeUndefined();
    expect(await another!.takeExpired(1000 + 9_999)).toEqual([]);
    const again = await another!.takeExpired(1000 + 10_000);
    expect(again.map(({ sessionId }) => sessionId).sort()).toEqual([idOf(1), idOf(2)]);
    await another!.confirmExpired(again);
    expect(await one!.takeExpired(1_000_000)).toEqual([]);
  });

  it('takes out more than fits into one step', async () => {
    const book = new RedisSessionBook(lab.connection, lab.freshKeys(), clock);
    const numbers = Array.from({ length: 450 }, (_, n) => n);
    await Promise.all(numbers.map((n) => book.open(session(n), 0)));
    expect(await book.takeExpired(1000)).toHaveLength(450);
    expect(await book.countOf(alice.tenant, alice.deviceId)).toEqual({ offered: 0, answered: 0 });
  });
});
