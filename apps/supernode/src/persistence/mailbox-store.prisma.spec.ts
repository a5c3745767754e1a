import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tenantIdSchema, type TenantId } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import { describeMailboxStore, MAILBOX_OWNERS } from '../messaging/testing/mailbox-store.contract.ts';
import { copyFor } from '../messaging/testing/sealed-copies.ts';
import { PrismaMailboxStore } from './mailbox-store.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

async function newTenant(): Promise<TenantId> {
  const tenant = tenantIdSchema.parse(await database.newTenant());
  const users = [...new Set(MAILBOX_OWNERS.map(([user]) => user))];
  await database.prisma.user.createMany({ data: users.map((userId) => ({ tenantId: tenant, userId })) });
  await database.prisma.device.createMany({
    data: MAILBOX_OWNERS.map(([user, device]) => ({
      tenantId: tenant,
      userId: user,
      deviceId: callerNamed(user, device, tenant).deviceId,
      publicKey: new Uint8Array(32),
    })),
  });
  return tenant;
}

describeMailboxStore('PostgreSQL', async () => ({
  store: new PrismaMailboxStore(database.prisma),
  tenant: await newTenant(),
}));

describe('PrismaMailboxStore', () => {
  it('keeps cursors whole and copies single when several supernodes write and take at the same time', async () => {
    const tenant = await newTenant();
    const [ada, carol] = [callerNamed('ada', 'phone', tenant), callerNamed('carol', 'phone', tenant)];
    const [bob, tablet] = [callerNamed('bob', 'phone', tenant), callerNamed('bob', 'tablet', tenant)];
    const messages = Array.from({ length: 12 }, (_, n) => `message ${String(n)}`);
    const supernodes = [ada, carol, ada].map((sender, number) => ({
      sender,
      store: new PrismaMailboxStore(database.prisma),
      // The same copies in another order: what one batch locks first, another locks last.
      boxes: number % 2 === 0 ? [bob, tablet] : [tablet, bob],
    }));

    await Promise.all(
      supernodes.map(async ({ store, sender, boxes }) => {
        for (const message of messages) {
          const copies = boxes.map((box) => copyFor(box, sender, message));
          const nothing = boxes.map(({ deviceId }) => ({ tenant, deviceId, cursors: [99_999] }));
          await Promise.all([store.append(copies, Date.now()), store.acknowledge(nothing)]);
        }
      }),
    );

    for (const { deviceId } of [bob, tablet]) {
      const rows = await database.prisma.mailboxCopy.findMany({
        where: { tenantId: tenant, deviceId },
        orderBy: { cursor: 'asc' },
      });
      expect(rows.map(({ cursor }) => Number(cursor))).toEqual(rows.map((_, at) => at + 1));
      expect(rows).toHaveLength(2 * messages.length);
      expect(await database.prisma.mailbox.findMany({ where: { tenantId: tenant, deviceId } })).toMatchObject(
        [{ lastCursor: BigInt(rows.length), itemCount: rows.length, byteCount: BigInt(rows.length * 64) }],
      );
    }
  }, 30_000);

  it('never shows a later copy to a reader who does not see an earlier one', async () => {
    const tenant = await newTenant();
    const [ada, bob] = [callerNamed('ada', 'phone', tenant), callerNamed('bob', 'phone', tenant)];
    const store = new PrismaMailboxStore(database.prisma);
    const write = async (lane: number): Promise<void> => {
      for (let n = 0; n < 10; n += 1) {
        await store.append([copyFor(bob, ada, `message ${String(lane)} ${String(n)}`)], Date.now());
      }
    };
    const writes = Promise.all([0, 1, 2].map(write));
    let position = 0;

    while (position < 30) {
      const page = await store.read(bob, position, { items: 50, bytes: 40_000 });
      const seen = page?.items.map(({ cursor }) => cursor) ?? [];
      expect(seen).toEqual(seen.map((_, at) => position + 1 + at));
      position = seen.at(-1) ?? position;
    }
    await writes;
  }, 30_000);

  it('takes a removed device its mailbox in the same transaction, and its copies with it', async () => {
    const tenant = await newTenant();
    const [ada, bob] = [callerNamed('ada', 'phone', tenant), callerNamed('bob', 'phone', tenant)];
    const store = new PrismaMailboxStore(database.prisma);
    await store.append([copyFor(bob, ada, 'a')], Date.now());
    const where = { tenantId_deviceId: { tenantId: tenant, deviceId: bob.deviceId } };

    await database.prisma.device.update({ where, data: { name: 'renamed', state: 'active', userId: 'bob' } });
    expect(await database.prisma.mailboxCopy.count({ where: { tenantId: tenant } })).toBe(1);
    await database.prisma.device.update({ where, data: { state: 'removed', removedAt: new Date() } });

    expect(await database.prisma.mailboxCopy.count({ where: { tenantId: tenant } })).toBe(0);
    expect(await store.append([copyFor(bob, ada, 'b')], Date.now())).toEqual([{ kind: 'no-mailbox' }]);
  });

  it('leaves nothing when the user goes', async () => {
    const tenant = await newTenant();
    const [ada, bob] = [callerNamed('ada', 'phone', tenant), callerNamed('bob', 'phone', tenant)];
    await new PrismaMailboxStore(database.prisma).append([copyFor(bob, ada, 'a')], Date.now());

    await database.prisma.user.delete({ where: { tenantId_userId: { tenantId: tenant, userId: 'bob' } } });

    expect(await database.prisma.mailboxCopy.count({ where: { tenantId: tenant } })).toBe(0);
  });
});
