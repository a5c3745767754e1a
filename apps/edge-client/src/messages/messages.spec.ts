import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBase64url, type Message, type MessageId } from '@parley/protocol';
import { edgeError, errorFromWire } from '../errors.ts';
import type { ReceivedMessage } from './chat-message.ts';
import { conversationIdOf, OUTBOX_LIFETIME_MS, sealMessage } from './message-sealing.ts';
import type { StatusChange } from './messages.ts';
import { messageKey } from './stored-message.ts';
import { MessageWorld, type WorldDevice } from './testing/message-world.ts';
import { PlainProvider } from './testing/plain-provider.ts';
import { newAccount, TENANT } from './testing/test-account.ts';

describe('Messages', () => {
  let world: MessageWorld;
  let alice: WorldDevice;
  let bob: WorldDevice;

  beforeEach(async () => {
    world = await MessageWorld.of([newAccount('alice', 1), newAccount('bob', 1)]);
    const [first, second] = world.devices;
    if (!first || !second) throw new TypeError('The world is empty.');
    [alice, bob] = [first, second];
    alice.connect();
    bob.connect();
    await world.settle();
  });

  const idOf = ({ party }: WorldDevice) => party.userId;
  const send = (text: string) => alice.messages.send(idOf(bob), text);
  const settleReceipts = async () => {
    for (let round = 0; round < 4; round += 1) await world.advance(1000);
  };

  /** A copy for Bob, as Alice's device would make it, but for `changes`. */
  async function forgedCopy(changes: object = {}, signer = alice) {
    const messageId = encodeBase64url(randomBytes(16)) as MessageId;
    const { userId, deviceId, agreementKey } = bob.party;
    const from = { userId: idOf(alice), deviceId: alice.party.deviceId };
    const conversation = conversationIdOf(TENANT, idOf(alice), userId);
    const message = {
      ...{ conversation, messageId, from, to: { userId, deviceId }, peer: userId },
      ...{ sentAt: world.now, clock: 1, content: { kind: 'text', text: 'hello' }, ...changes },
    } as Message;
    const envelope = await sealMessage(message, signer.party.deviceKey, new PlainProvider(deviceId), {
      deviceId,
      agreementKey: agreementKey.publicKey,
    });
    return { from, messageId, envelope };
  }

  it('tells of delivery and reading, by promise, event and history', async () => {
    const sent = await send('hello');
    await settleReceipts();
    expect(await sent.stored).toEqual({ at: expect.any(Number) as unknown });
    expect((await sent.delivered).deviceId).toBe(bob.party.deviceId);
    expect((await alice.messages.history(idOf(bob)))[0]?.status).toBe('delivered');

    await bob.messages.markRead(idOf(alice));
    await settleReceipts();

    expect((await sent.read).deviceId).toBe(bob.party.deviceId);
    expect((await alice.messages.history(idOf(bob)))[0]?.status).toBe('read');
  });

  it('sends many receipts as one', async () => {
    for (let at = 0; at < 20; at += 1) await send(`message ${String(at)}`);
    await world.settle();
    const before = world.stored;
    await settleReceipts();

    expect(world.stored - before).toBeLessThanOrEqual(2);
  });

  const sendMany = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => send(`message ${String(at)}`)));
  const sends = () => world.requests.filter((name) => name.startsWith('message.send'));

  it('sends what waits in few requests, in the order in which the app sent it', async () => {
    const sent = await sendMany(40);
    await world.settle();
    await settleReceipts();

    expect(await Promise.all(sent.map(({ stored }) => stored))).toHaveLength(40);
    expect(sends().length).toBeLessThan(10);
    expect(sends()).toContain('message.send-batch');
    expect([...bob.handed.keys()]).toEqual(sent.map(({ id }) => messageKey(alice.party.deviceId, id)));
  });

  it('sends one by one to a supernode that knows no batches', async () => {
    world.takesBatches = false;
    const sent = await sendMany(40);
    await settleReceipts();

    expect(await Promise.all(sent.map(({ stored }) => stored))).toHaveLength(40);
    expect(bob.handed.size).toBe(40);
    expect(sends().filter((name) => name === 'message.send-batch')).toHaveLength(1);
  });

  it('fails one message of many, and tries one of many again', async () => {
    const first = await send('first');
    await first.stored;
    const refusals = [
      errorFromWire({ code: 'FORBIDDEN', message: 'blocked', retryable: false }),
      errorFromWire({ code: 'STORE_UNAVAILABLE', message: 'away', retryable: true, retryAfterMs: 2000 }),
    ];
    world.refusals.push(...refusals);
    const sent = await sendMany(10);
    await settleReceipts();

    const outcomes = await Promise.allSettled(sent.map(({ stored }) => stored));
    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: { code: 'FORBIDDEN' } },
    ]);
    expect(bob.handed.size).toBe(10);
    expect([...bob.handed.values()].every(({ times }) => times === 1)).toBe(true);
  });

  it('tells nobody of a device that is invisible, until it is not', async () => {
    bob.isInvisible = true;
    const sent = await send('are you there?');
    await settleReceipts();
    await bob.messages.markRead(idOf(alice));
    await settleReceipts();
    expect(bob.handed.size).toBe(1);
    expect((await alice.messages.history(idOf(bob)))[0]?.status).toBe('stored');

    bob.isInvisible = false;
    bob.messages.relationsChanged();
    await settleReceipts();
    expect((await sent.read).deviceId).toBe(bob.party.deviceId);
  });

  it('keeps messages of strangers in the request box, and lets them out', async () => {
    bob.contacts.delete(idOf(alice));
    const sent = await send('hello, stranger');
    await settleReceipts();
    expect(bob.handed.size).toBe(0);
    expect((await bob.messages.requests.list()).map(({ text }) => text)).toEqual(['hello, stranger']);
    await bob.crash();
    expect(await bob.messages.requests.list()).toHaveLength(1);

    bob.contacts.set(idOf(alice), 'accepted');
    bob.connect();
    await bob.messages.requests.accept(idOf(alice));
    await settleReceipts();
    expect(bob.handed.size).toBe(1);
    expect((await sent.delivered).deviceId).toBe(bob.party.deviceId);
    expect(await bob.messages.requests.list()).toEqual([]);
  });

  it('drops what is declined, and bounds what one stranger leaves', async () => {
    bob.contacts.delete(idOf(alice));
    for (let at = 0; at < 25; at += 1) await send(`message ${String(at)}`);
    await settleReceipts();
    expect(await bob.messages.requests.list()).toHaveLength(20);
    expect(bob.drops.snapshot()).toMatchObject({ 'request-box-full': 5 });

    await bob.messages.requests.decline(idOf(alice));
    expect(await bob.messages.requests.list()).toEqual([]);
    expect(await bob.messages.history(idOf(alice))).toEqual([]);
  });

  it('drops what a blocked user sends', async () => {
    bob.contacts.set(idOf(alice), 'blocked');
    await send('let me in');
    await settleReceipts();

    expect(bob.handed.size).toBe(0);
    expect(bob.drops.snapshot()).toEqual({ blocked: 1 });
    expect(bob.mailbox.items).toEqual([]);
  });

  it('counts and drops forgeries, and alerts', async () => {
    expect(await bob.messages.take(await forgedCopy({}, bob))).toBe(true);
    expect(await bob.messages.take(await forgedCopy({ peer: idOf(alice) }))).toBe(true);

    expect(bob.handed.size).toBe(0);
    expect(bob.drops.snapshot()).toEqual({ 'wrong-signer': 1, 'wrong-conversation': 1 });
    expect(bob.violations).toEqual(['alert: EDGE_MESSAGE_FORGED', 'alert: EDGE_MESSAGE_FORGED']);
  });

  it('drops replays', async () => {
    const copy = await forgedCopy();
    await Promise.all([bob.messages.take(copy), bob.messages.take(copy)]);
    await settleReceipts();
    await bob.messages.take(copy);
    await settleReceipts();

    expect([...bob.handed.values()]).toEqual([{ times: 1, acknowledged: 1 }]);
    expect(bob.drops.snapshot()).toEqual({ duplicate: 2 });
  });

  it('keeps an unknown kind of content, and shows nothing of it', async () => {
    expect(await bob.messages.take(await forgedCopy({ content: { kind: 'hologram' } }))).toBe(true);
    await settleReceipts();

    expect(bob.handed.size).toBe(0);
    expect(await bob.messages.history(idOf(alice))).toEqual([]);
    expect(bob.drops.snapshot()).toEqual({});
  });

  it('keeps in the mailbox what it cannot judge for now', async () => {
    world.listProblem = edgeError('EDGE_ROOT_CHANGED');
    expect(await bob.messages.take(await forgedCopy())).toBe(false);
    expect(bob.drops.snapshot()).toEqual({ 'list-refused': 1 });
    world.listProblem = undefined;

    expect(await bob.messages.take(await forgedCopy())).toBe(true);
  });

  it('seals again when the devices have changed', async () => {
    world.refusals.push(errorFromWire({ code: 'DEVICE_LIST_STALE', message: 'stale', retryable: true }));
    const statuses: StatusChange[] = [];
    alice.messages.on('status', (status) => statuses.push(status));
    const sent = await send('hello');
    await settleReceipts();

    expect(await sent.stored).toBeDefined();
    expect(statuses.map(({ status, error }) => [status, error?.code])).toEqual([
      ['waiting', 'DEVICE_LIST_STALE'],
      ['stored', undefined],
    ]);
  });

  it('fails with the code of a final refusal, and says so in the history', async () => {
    world.refusals.push(errorFromWire({ code: 'FORBIDDEN', message: 'blocked', retryable: false }));
    const sent = await send('hello');

    await expect(sent.stored).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await alice.messages.history(idOf(bob)))[0]?.status).toBe('failed');
  });

  it('waits for room in a full mailbox', async () => {
    world.fullFor.add(bob.party.deviceId);
    const codes: (string | undefined)[] = [];
    alice.messages.on('status', ({ error }) => codes.push(error?.code));
    const sent = await send('hello');
    await world.advance(1000);
    expect(codes).toEqual(['EDGE_MAILBOX_FULL']);

    world.fullFor.clear();
    await world.advance(61_000);
    expect(await sent.stored).toBeDefined();
  });

  it('gives up what could not be sent for a week', async () => {
    alice.disconnect();
    const sent = await send('hello');
    await world.advance(OUTBOX_LIFETIME_MS + 1);
    alice.connect();

    await expect(sent.stored).rejects.toMatchObject({ code: 'EDGE_MESSAGE_EXPIRED' });
  });

  it('refuses texts that no message holds', async () => {
    await expect(send('')).rejects.toMatchObject({ code: 'EDGE_OPTIONS_INVALID' });
    await expect(send('a'.repeat(4001))).rejects.toMatchObject({ code: 'EDGE_MESSAGE_TOO_LARGE' });
    await expect(send('\u0001'.repeat(4000))).rejects.toMatchObject({ code: 'EDGE_MESSAGE_TOO_LARGE' });
  });

  it('acknowledges in a loop by asking for the next, and not by leaving', async () => {
    world = await MessageWorld.of([newAccount('alice', 1), newAccount('bob', 1)], undefined, {
      hasApp: false,
    });
    const [sender, receiver] = world.devices;
    if (!sender || !receiver) throw new TypeError('The world is empty.');
    sender.connect();
    receiver.connect();
    for (const text of ['one', 'two']) await sender.messages.send(idOf(receiver), text);
    await world.settle();
    const seen: ReceivedMessage[] = [];
    for await (const message of receiver.messages.stream()) {
      seen.push(message);
      if (seen.length === 2) break;
    }
    await world.advance(61_000);
    for await (const message of receiver.messages.stream()) {
      seen.push(message);
      break;
    }

    expect(seen.map(({ text, isRedelivery }) => [text, isRedelivery])).toEqual([
      ['one', false],
      ['two', false],
      ['two', true],
    ]);
  });

  it('tells of a gap in what was missed', async () => {
    const heard = new Promise((resolve) =>
      bob.messages.on('catch-up', ({ continuity }) => resolve(continuity)),
    );
    bob.disconnect();
    world.continuity = 'gap';
    bob.connect();

    expect(await heard).toBe('gap');
    expect(bob.messages.catchUp).toBe('gap');
  });
});
