import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS, tenantIdSchema, type SessionId, type TenantId } from '@parley/protocol';
import type { CallEntry } from '../calls/call-log.port.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { PrismaCallLog } from './call-log.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const idOf = (n: number) => Buffer.alloc(16, n).toString('base64url') as SessionId;

let database: TestDatabase;
let log: PrismaCallLog;
let tenant: TenantId;

beforeAll(async () => {
  database = await openTestDatabase();
  log = new PrismaCallLog(database.prisma);
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  tenant = tenantIdSchema.parse(await database.newTenant());
  for (const { userId } of [alice, bob])
    await database.prisma.user.create({ data: { tenantId: tenant, userId } });
});

const entry = (n: number, over: Partial<CallEntry> = {}): CallEntry => ({
  tenant,
  userId: alice.userId,
  callerDeviceId: alice.deviceId,
  sessionId: idOf(n),
  peer: bob.userId,
  direction: 'outgoing',
  media: ['audio', 'video'],
  startedAt: 1000 + n,
  answeredAt: null,
  endedAt: 2000 + n,
  outcome: 'missed',
  answeredBy: null,
  ...over,
});
const answered = { answeredAt: 1500, answeredBy: bob.deviceId } as const;
const history = async (after = 0, limit = 50) => log.page(tenant, alice.userId, after, limit);

describe('PrismaCallLog', () => {
  it('gives back what was saved, by cursor', async () => {
    await log.save(entry(1));
    await log.save(entry(2, { ...answered, outcome: 'completed' }));
    const { tenant: _t, userId: _u, callerDeviceId: _d, ...record } = entry(1);
    const { calls, hasMore } = await history();
    expect(hasMore).toBe(false);
    expect(calls).toEqual([
      { cursor: 1, ...record },
      expect.objectContaining({ cursor: 2, ...answered, outcome: 'completed', media: ['audio', 'video'] }),
    ]);
    expect(await history(1, 1)).toMatchObject({ calls: [{ cursor: 2 }], hasMore: false });
    expect(await history(0, 1)).toMatchObject({ calls: [{ cursor: 1 }], hasMore: true });
    expect(await log.find(tenant, alice.userId, idOf(1))).toMatchObject({
      callerDeviceId: alice.deviceId,
      tenant,
      peer: bob.userId,
    });
    expect(await log.find(tenant, bob.userId, idOf(1))).toBeUndefined();
  });

  it('moves a call to the next cursor when it ends, and changes it never again', async () => {
    const open = entry(1, { ...answered, endedAt: null, outcome: null });
    expect(await log.save(open)).toMatchObject({ cursor: 1, outcome: null });
    await log.save(entry(2));
    expect(await log.save(open)).toBeUndefined();
    expect(await log.save({ ...open, endedAt: 9, outcome: 'completed' })).toMatchObject({
      cursor: 3,
      outcome: 'completed',
    });
    expect(await log.save({ ...open, endedAt: 10, outcome: 'failed' })).toBeUndefined();
    expect(await log.save(open)).toBeUndefined();
    const { calls } = await history(1);
    expect(calls.map(({ cursor, sessionId }) => [cursor, sessionId])).toEqual([
      [2, idOf(2)],
      [3, idOf(1)],
    ]);
  });

  it('gives every one of many simultaneous writes a cursor of its own', async () => {
    const numbers = Array.from({ length: 12 }, (_, n) => n + 1);
    await Promise.all([...numbers, ...numbers].map((n) => log.save(entry(n))));
    const { calls } = await history();
    expect(calls.map(({ cursor }) => cursor)).toEqual(numbers);
    expect(new Set(calls.map(({ sessionId }) => sessionId)).size).toBe(numbers.length);
  });

  it('keeps the newest calls of a user, and other users out of it', async () => {
    const rows = Array.from({ length: LIMITS.maxCallRecordsPerUser }, (_, n) => ({
      ...{ tenantId: tenant, userId: alice.userId, sessionId: `old-${String(n)}`, cursor: BigInt(n + 1) },
      ...{
        peerId: bob.userId,
        direction: 'outgoing' as const,
        media: ['audio'],
        callerDeviceId: alice.deviceId,
      },
      ...{ startedAt: new Date(0), endedAt: new Date(1), outcome: 'missed' as const },
    }));
    await database.prisma.callRecord.createMany({ data: rows });
    await log.save(entry(1));
    const kept = await database.prisma.callRecord.findMany({
      where: { tenantId: tenant, userId: alice.userId },
      orderBy: { cursor: 'asc' },
    });
    expect(kept).toHaveLength(LIMITS.maxCallRecordsPerUser);
    expect(kept[0]?.cursor).toBe(2n);
    expect(kept.at(-1)?.sessionId).toBe(idOf(1));
    expect(await log.page(tenant, bob.userId, 0, 10)).toEqual({ calls: [], hasMore: false });
  });

  it('saves nothing for a user who does not exist, and forgets with the user', async () => {
    const gone = callerNamed('gone');
    expect(await log.save(entry(1, { userId: gone.userId }))).toBeUndefined();
    await log.save(entry(2));
    await database.prisma.user.delete({
      where: { tenantId_userId: { tenantId: tenant, userId: alice.userId } },
    });
    expect((await history()).calls).toEqual([]);
  });

  it('drops what began before a time, but for the newest of each user, from which the next cursor follows', async () => {
    await log.dropStartedBefore(5000); // what other tests left
    for (const n of [1, 2, 3]) await log.save(entry(n));
    await log.save(entry(4, { userId: bob.userId }));
    expect(await log.dropStartedBefore(1000 + 3)).toBe(2);
    expect((await history()).calls.map(({ cursor }) => cursor)).toEqual([3]);
    expect(await log.dropStartedBefore(5000)).toBe(0);
    expect((await log.page(tenant, alice.userId, 0, 50, 5000)).calls).toEqual([]);
    expect(await log.save(entry(5))).toMatchObject({ cursor: 4 });
    expect((await log.page(tenant, bob.userId, 0, 50)).calls).toHaveLength(1);
  });
});
