import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encodeBase64url, LIMITS, type Message, type MessageId } from '@parley/protocol';
import { conversationIdOf, sealMessage } from './message-sealing.ts';
import { MessageWorld, type WorldDevice } from './testing/message-world.ts';
import { PlainProvider } from './testing/plain-provider.ts';
import { newAccount, TENANT } from './testing/test-account.ts';

const newId = () => encodeBase64url(randomBytes(16)) as MessageId;

async function worldOf(aliceDevices: number, bobDevices: number) {
  const world = await MessageWorld.of([newAccount('alice', aliceDevices), newAccount('bob', bobDevices)]);
  for (const device of world.devices) device.connect();
  await world.settle();
  const [first, second, third] = world.devices;
  if (!first || !second || !third) throw new TypeError('The world has three devices.');
  return { world, first, second, third };
}

/** Receipts go out, but nothing that was lost is sent again yet. */
async function receiptsOnly(world: MessageWorld) {
  await world.advance(120);
}

describe('a receipt that comes before its message', () => {
  it('marks what another own device sent, also after a crash', async () => {
    const { world, first: sender, second: other, third: bob } = await worldOf(2, 1);
    world.setLink(sender, bob, true);
    // Bob gets it at once; the copy for the other device is lost on its way to the supernode.
    world.fates = ['ok', 'lose-request'];
    await sender.messages.send(bob.party.userId, 'hello');
    await world.settle();
    await receiptsOnly(world);
    expect(await other.messages.history(bob.party.userId)).toEqual([]);
    expect(other.drops.snapshot()).toEqual({});

    await other.crash();
    const news: string[] = [];
    other.messages.on('receipt', ({ receipt }) => news.push(receipt));
    other.connect();
    await world.advance(2000);

    expect((await other.messages.history(bob.party.userId)).map(({ status }) => status)).toEqual([
      'delivered',
    ]);
    expect(news).toEqual(['delivered']);
  });

  it('marks what the user has read on another device', async () => {
    const { world, first: alice, second: reader, third: other } = await worldOf(1, 2);
    world.setLink(alice, reader, true);
    world.fates = ['ok', 'lose-request'];
    await alice.messages.send(reader.party.userId, 'hello');
    await world.settle();
    await reader.messages.markRead(alice.party.userId);
    await receiptsOnly(world);
    expect(await other.messages.history(alice.party.userId)).toEqual([]);

    await world.advance(2000);

    expect((await other.messages.history(alice.party.userId)).map(({ isRead }) => isRead)).toEqual([true]);
  });

  it('is kept for a bounded number of messages, and the rest is counted', async () => {
    const { first: device, third: bob } = await worldOf(2, 1);
    for (let at = 0; at < 5; at += 1) {
      await device.messages.take(await receiptFor(device, bob, LIMITS.maxReceiptsPerMessage));
    }

    const kept = 256;
    expect(device.drops.snapshot()['early-receipts-full']).toBe(5 * LIMITS.maxReceiptsPerMessage - kept);
  });

  it('says nothing new where no other device could have sent the message', async () => {
    const { first: single, second: peer } = await worldOf(1, 2);
    await single.messages.take(await receiptFor(single, peer, 3));

    expect(single.drops.snapshot()).toEqual({ 'receipt-without-news': 1 });
  });
});

/** A receipt from one device to another, about messages that nobody sent. */
async function receiptFor({ party: to }: WorldDevice, { party: by }: WorldDevice, count: number) {
  const messageId = newId();
  const from = { userId: by.userId, deviceId: by.deviceId };
  const message: Message = {
    conversation: conversationIdOf(TENANT, by.userId, to.userId),
    ...{ messageId, from, to: { userId: to.userId, deviceId: to.deviceId }, peer: to.userId },
    ...{ sentAt: 1_800_000_000_000, clock: 1 },
    content: { kind: 'receipt', receipt: 'delivered', messageIds: Array.from({ length: count }, newId) },
  };
  const envelope = await sealMessage(message, by.deviceKey, new PlainProvider(to.deviceId), {
    deviceId: to.deviceId,
    agreementKey: to.agreementKey.publicKey,
  });
  return { from, messageId, envelope };
}
