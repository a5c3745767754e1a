import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tenantIdSchema, userIdSchema, type TenantId, type UserId } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import { copyFor } from '../messaging/testing/sealed-copies.ts';
import type { ContactState } from './generated/client.ts';
import { PrismaCorrespondents } from './mailbox-correspondents.prisma.ts';
import { PrismaMailboxStore } from './mailbox-store.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

const user = (name: string): UserId => userIdSchema.parse(name);
const [ada, bob, carol] = [user('ada'), user('bob'), user('carol')];

async function setUp() {
  const tenant: TenantId = tenantIdSchema.parse(await database.newTenant());
  const device = (owner: string, name: string) => callerNamed(owner, name, tenant);
  await database.prisma.user.createMany({
    data: [ada, bob, carol].map((userId) => ({ tenantId: tenant, userId })),
  });
  await database.prisma.device.createMany({
    data: [
      [ada, 'phone'],
      [bob, 'phone'],
      [bob, 'tablet'],
    ].map(([userId = '', name = '']) => ({
      tenantId: tenant,
      userId,
      deviceId: device(userId, name).deviceId,
      publicKey: new Uint8Array(32),
    })),
  });
  const contact = (ownerId: string, peerId: string, state: ContactState) =>
    database.prisma.contact.create({ data: { tenantId: tenant, ownerId, peerId, state } });
  const correspondents = new PrismaCorrespondents(database.prisma);
  const find = async (sender: UserId, recipient: UserId) => {
    const [state] = await correspondents.find([{ tenant, sender, recipient }]);
    return state;
  };
  return { tenant, device, contact, find, correspondents };
}

describe('PrismaCorrespondents', () => {
  it('gives the active devices and the newest list of both users', async () => {
    const { tenant, device, find } = await setUp();
    const bytes = new Uint8Array(1);
    for (const version of [1, 2]) {
      await database.prisma.deviceList.create({
        data: { tenantId: tenant, userId: bob, version, payload: bytes, signature: bytes, signerKey: bytes },
      });
    }
    await database.prisma.device.update({
      where: { tenantId_deviceId: { tenantId: tenant, deviceId: device('bob', 'tablet').deviceId } },
      data: { state: 'removed', removedAt: new Date() },
    });

    expect(await find(ada, bob)).toEqual({
      sender: { listVersion: 0, devices: new Set([device('ada', 'phone').deviceId]) },
      recipient: { listVersion: 2, devices: new Set([device('bob', 'phone').deviceId]) },
      sides: { mine: 'none', theirs: 'none' },
      unread: { requests: 0, others: 0 },
    });
  });

  it('knows no account that is missing, closed, or of another tenant', async () => {
    const { tenant, find } = await setUp();
    const other = await setUp();
    await database.prisma.user.create({ data: { tenantId: other.tenant, userId: 'elsewhere' } });
    await database.prisma.user.update({
      where: { tenantId_userId: { tenantId: tenant, userId: carol } },
      data: { status: 'suspended' },
    });

    for (const name of ['carol', 'nobody', 'elsewhere']) {
      expect(await find(ada, user(name))).toMatchObject({ recipient: undefined });
    }
  });

  it('gives both sides of a contact, from the point of view of the sender, for each pair in its place', async () => {
    const { tenant, contact, correspondents } = await setUp();
    await contact(ada, bob, 'accepted');
    await contact(bob, ada, 'blocked');
    await contact(carol, ada, 'pending_out');
    const pairs = [
      [ada, bob],
      [bob, ada],
      [ada, carol],
      [bob, carol],
      [ada, bob],
    ] as const;

    const states = await correspondents.find(
      pairs.map(([sender, recipient]) => ({ tenant, sender, recipient })),
    );

    expect(states.map(({ sides }) => [sides.mine, sides.theirs])).toEqual([
      ['accepted', 'blocked'],
      ['blocked', 'accepted'],
      ['none', 'pending-out'],
      ['none', 'none'],
      ['accepted', 'blocked'],
    ]);
  });

  it('counts what a stranger has waiting with all devices of the other, also from devices that it removed', async () => {
    const { tenant, device, contact, find } = await setUp();
    const [phone, bobs, tablet] = [device('ada', 'phone'), device('bob', 'phone'), device('bob', 'tablet')];
    await new PrismaMailboxStore(database.prisma).append(
      [
        copyFor(bobs, phone, 'a', { isRequest: true }),
        copyFor(tablet, phone, 'a', { isRequest: true }),
        copyFor(bobs, phone, 'b'),
        copyFor(bobs, tablet, 'own'),
        copyFor(phone, bobs, 'answer', { isRequest: true }),
      ],
      Date.now(),
    );
    await database.prisma.device.update({
      where: { tenantId_deviceId: { tenantId: tenant, deviceId: phone.deviceId } },
      data: { state: 'removed', removedAt: new Date() },
    });

    expect((await find(ada, bob))?.unread).toEqual({ requests: 2, others: 1 });
    expect((await find(bob, bob))?.unread).toEqual({ requests: 0, others: 0 });
    expect((await find(carol, bob))?.unread).toEqual({ requests: 0, others: 0 });
    await contact(ada, bob, 'accepted');
    await contact(bob, ada, 'accepted');
    expect((await find(ada, bob))?.unread).toEqual({ requests: 0, others: 0 });
  });
});
