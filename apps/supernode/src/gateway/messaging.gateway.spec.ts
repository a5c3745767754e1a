import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS, type MailboxItem } from '@parley/protocol';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { messageNamed, sealedEnvelope, sendRequest } from '../messaging/testing/sealed-copies.ts';
import { EdgeHarness, type SignedInUser } from './testing/edge-harness.ts';

let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start();
}, 60_000);
afterEach(() => edge.closeConnections());
afterAll(() => edge.stop());

let people = 0;
const newUser = (): Promise<SignedInUser> => edge.registerAndSignIn(`person${(people += 1)}`);

async function contacts(): Promise<[SignedInUser, SignedInUser]> {
  const [ada, bob] = [await newUser(), await newUser()];
  await ada.connection.request('contacts.request', { userId: bob.account.userId });
  await bob.connection.request('contacts.accept', { userId: ada.account.userId });
  return [ada, bob];
}

const partyOf = ({ account, device }: Pick<SignedInUser, 'account' | 'device'>) => ({
  userId: account.userId,
  deviceId: device.deviceId,
});

const message = (to: SignedInUser, name: string, wrong: Parameters<typeof sendRequest>[3] = {}) =>
  sendRequest(to.account.userId, [partyOf(to)], name, wrong);

const mailbox = async ({ connection }: SignedInUser, after = 0): Promise<MailboxItem[]> =>
  (await connection.request('mailbox.read', { after })).items;

/** A device of the user adds another one, which never signs in. */
async function addDevice(user: SignedInUser, device: SigningDevice): Promise<void> {
  const list = user.account.next([user.device, device], user.device);
  await user.connection.request('account.update-devices', { deviceList: list });
}

describe('message.send', () => {
  it('brings a message to a contact who is there, and into the mailbox all the same', async () => {
    const [ada, bob] = await contacts();
    const request = message(bob, 'hello');

    const { storedAt, full } = await ada.connection.request('message.send', request);

    const arrived = await bob.connection.event('mailbox.arrived');
    const item = {
      cursor: 1,
      messageId: messageNamed('hello'),
      from: partyOf(ada),
      envelope: request.copies[0]?.envelope,
      storedAt,
      isRequest: false,
    };
    expect(arrived).toMatchObject({ payload: { items: [item] }, sequence: 0 });
    expect(await bob.connection.request('mailbox.read', { after: 0 })).toEqual({
      items: [item],
      hasMore: false,
      continuity: 'complete',
      cursor: 1,
    });
    expect(full).toEqual([]);
  });

  it('keeps a message for who is away, once, however often it is sent', async () => {
    const [ada, bob] = await contacts();
    bob.connection.close();
    const request = message(bob, 'later');

    for (let time = 0; time < 3; time += 1) await ada.connection.request('message.send', request);

    const back = await edge.signIn(bob);
    expect(await mailbox(back)).toMatchObject([{ cursor: 1, messageId: messageNamed('later') }]);
    await back.connection.request('mailbox.acknowledge', { cursors: [1] });
    expect(await mailbox(back)).toEqual([]);
  });

  it('is no part of what a resume replays: the mailbox is', async () => {
    const [ada, bob] = await contacts();
    await bob.connection.event('contacts.changed');
    const lastSequence = Math.max(...bob.connection.events.map(({ sequence }) => sequence));
    bob.connection.close();
    await edge.settled(() => edge.observed.includes(`unreachable ${bob.device.deviceId}`));

    await ada.connection.request('message.send', message(bob, 'meanwhile'));

    const connection = await edge.connect();
    const { token } = bob.welcome.resume;
    const proof = bob.device.prove(await connection.challenge(), 'resume', {
      token,
      tenant: bob.account.tenant,
    });
    const resumed = await connection.request('resume', { token, proof, lastSequence });
    const page = await connection.request('mailbox.read', { after: 0 });
    expect(resumed.recovered).toBe(true);
    expect(connection.events.map(({ name }) => name)).not.toContain('mailbox.arrived');
    expect(page.items).toMatchObject([{ messageId: messageNamed('meanwhile') }]);
  });

  it("reaches the sender's other devices, and notes to oneself do too", async () => {
    const [ada, bob] = await contacts();
    const tablet = new SigningDevice();
    await addDevice(ada, tablet);
    const own = { userId: ada.account.userId, deviceId: tablet.deviceId };
    const listVersions = { peer: 1, own: 2 };

    await ada.connection.request(
      'message.send',
      sendRequest(bob.account.userId, [partyOf(bob), own], 'both', { listVersions }),
    );
    await ada.connection.request(
      'message.send',
      sendRequest(ada.account.userId, [own], 'note', { listVersions: { peer: 2, own: 2 } }),
    );

    const rows = await edge.database.prisma.mailboxCopy.findMany({ where: { deviceId: tablet.deviceId } });
    expect(rows.map(({ messageId, isRequest }) => [messageId, isRequest])).toEqual([
      [messageNamed('both'), false],
      [messageNamed('note'), false],
    ]);
  });

  it('is refused with DEVICE_LIST_STALE until it is sealed for the devices of now', async () => {
    const [ada, bob] = await contacts();
    const tablet = new SigningDevice();
    await addDevice(bob, tablet);

    expect(await ada.connection.refusal('message.send', message(bob, 'old list'))).toBe('DEVICE_LIST_STALE');
    const both = [partyOf(bob), { userId: bob.account.userId, deviceId: tablet.deviceId }];
    const fresh = sendRequest(bob.account.userId, both, 'old list', { listVersions: { peer: 2, own: 1 } });
    await ada.connection.request('message.send', fresh);

    const gone = bob.account.next([bob.device], bob.device);
    await bob.connection.request('account.update-devices', { deviceList: gone });
    const late = { ...fresh, listVersions: { peer: 3, own: 1 } };
    expect(await ada.connection.refusal('message.send', late)).toBe('DEVICE_LIST_STALE');
    expect(await edge.database.prisma.mailbox.count({ where: { deviceId: tablet.deviceId } })).toBe(0);
    expect(await edge.database.prisma.mailboxCopy.count({ where: { deviceId: tablet.deviceId } })).toBe(0);
  });

  it.each<[string, (ada: SignedInUser, bob: SignedInUser) => object, string]>([
    [
      'for the sending device',
      (ada, bob) => sendRequest(bob.account.userId, [partyOf(ada)], 'x'),
      'BAD_REQUEST',
    ],
    [
      'twice for one device',
      (_, bob) => sendRequest(bob.account.userId, [partyOf(bob), partyOf(bob)], 'x'),
      'BAD_REQUEST',
    ],
    ['for a device of a third user', (_, bob) => ({ ...message(bob, 'x'), to: 'somebody' }), 'BAD_REQUEST'],
    [
      'for a device that its user does not have',
      (ada, bob) =>
        sendRequest(bob.account.userId, [{ userId: bob.account.userId, deviceId: ada.device.deviceId }], 'x'),
      'BAD_REQUEST',
    ],
    [
      'for a foreign device under the name of its user',
      (_, bob) => {
        const { deviceId } = new SigningDevice();
        return sendRequest(bob.account.userId, [{ userId: bob.account.userId, deviceId }], 'x');
      },
      'DEVICE_LIST_STALE',
    ],
    [
      'for nobody',
      (_, bob) => {
        const party = { ...partyOf(bob), userId: 'nobody' as typeof bob.account.userId };
        return sendRequest(party.userId, [party], 'x');
      },
      'NOT_FOUND',
    ],
    [
      'that is too large',
      (_, bob) => ({
        ...message(bob, 'x'),
        copies: [{ to: partyOf(bob), envelope: sealedEnvelope(LIMITS.maxSealedBytes + 3) }],
      }),
      'BAD_REQUEST',
    ],
  ])('refuses a copy %s', async (_what, request, code) => {
    const [ada, bob] = await contacts();

    expect(await ada.connection.refusal('message.send', request(ada, bob))).toBe(code);
    expect(await mailbox(bob)).toEqual([]);
  });

  it('takes the largest copy there is, and divides such copies into pages that fit a message', async () => {
    const [ada, bob] = await contacts();
    const count = Math.ceil(LIMITS.maxMessageBytes / LIMITS.maxSealedBytes);
    for (let n = 0; n < count; n += 1) {
      const copies = [{ to: partyOf(bob), envelope: sealedEnvelope(LIMITS.maxSealedBytes) }];
      await ada.connection.request('message.send', message(bob, String(n), { copies }));
    }

    const page = await bob.connection.request('mailbox.read', { after: 0 });
    const next = await bob.connection.request('mailbox.read', { after: page.cursor });

    const cursors = [...page.items, ...next.items].map(({ cursor }) => cursor);
    expect(JSON.stringify(page).length).toBeLessThan(LIMITS.maxMessageBytes);
    expect([page.hasMore, next.hasMore]).toEqual([true, false]);
    expect(cursors).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  });
});

describe('message.send-batch', () => {
  const sendBatch = async ({ connection }: SignedInUser, messages: readonly unknown[]) => {
    const reply = await connection.send('message.send-batch', { messages });
    if (!reply.ok) throw new TypeError(reply.error.code);
    return reply.data.outcomes.map((outcome) => (outcome?.ok ? outcome.data.full : outcome?.error.code));
  };

  it('stores messages to several users in one commit, in order, and shows them', async () => {
    const [ada, bob] = await contacts();
    const carol = await newUser();
    const commits = await edge.metric('parley_mailbox_commit_seconds_count');

    const outcomes = await sendBatch(ada, [
      message(bob, 'one'),
      message(carol, 'two'),
      message(bob, 'three'),
    ]);

    expect(outcomes).toEqual([[], [], []]);
    expect(await edge.metric('parley_mailbox_commit_seconds_count')).toBe(commits + 1);
    expect(await mailbox(bob)).toMatchObject([
      { cursor: 1, messageId: messageNamed('one'), isRequest: false },
      { cursor: 2, messageId: messageNamed('three'), isRequest: false },
    ]);
    expect(await mailbox(carol)).toMatchObject([{ messageId: messageNamed('two'), isRequest: true }]);
    expect((await bob.connection.event('mailbox.arrived')).payload.items).toHaveLength(2);
  });

  it('refuses each bad message as if it had come alone, and none of its neighbours', async () => {
    const [ada, bob] = await contacts();
    const blocked = await newUser();
    await ada.connection.request('contacts.block', { userId: blocked.account.userId });
    const foreign = { userId: bob.account.userId, deviceId: new SigningDevice().deviceId };
    const nobody = { ...partyOf(bob), userId: 'nobody' as typeof bob.account.userId };
    const bad: [object | null, string][] = [
      [message(bob, 'old', { listVersions: { peer: 0, own: 0 } }), 'DEVICE_LIST_STALE'],
      [sendRequest(bob.account.userId, [foreign], 'foreign device'), 'DEVICE_LIST_STALE'],
      [sendRequest(nobody.userId, [nobody], 'to nobody'), 'NOT_FOUND'],
      [message(blocked, 'to whom she blocked'), 'FORBIDDEN'],
      [sendRequest(bob.account.userId, [partyOf(ada)], 'to herself'), 'BAD_REQUEST'],
      [{ ...message(bob, 'no copies'), copies: [] }, 'BAD_REQUEST'],
      [null, 'BAD_REQUEST'],
    ];

    const outcomes = await sendBatch(
      ada,
      bad.flatMap(([request], at) => [request, message(bob, `good ${String(at)}`)]),
    );

    expect(outcomes).toEqual(bad.flatMap(([, code]) => [code, []]));
    expect((await mailbox(bob)).map(({ messageId }) => messageId)).toEqual(
      bad.map((_, at) => messageNamed(`good ${String(at)}`)),
    );
    for (const [request, code] of bad)
      expect(await ada.connection.refusal('message.send', request)).toBe(code);
  });

  it('keeps a message once, also when it is in a batch twice or was sent by itself', async () => {
    const [ada, bob] = await contacts();
    const [one, two] = [message(bob, 'one'), message(bob, 'two')];
    await ada.connection.request('message.send', one);

    for (let time = 0; time < 2; time += 1)
      expect(await sendBatch(ada, [one, two, two])).toEqual([[], [], []]);

    expect((await mailbox(bob)).map(({ messageId }) => messageId)).toEqual([one.messageId, two.messageId]);
  });

  it('bounds what a stranger leaves, without a word to the sender, and says nothing of a block', async () => {
    const [stranger, bob] = [await newUser(), await newUser()];
    const many = Array.from({ length: LIMITS.maxRequestsPerSender + 5 }, (_, n) =>
      message(bob, `request ${String(n)}`),
    );
    expect(await sendBatch(stranger, many)).toEqual(many.map(() => []));
    expect(await mailbox(bob)).toHaveLength(LIMITS.maxRequestsPerSender);

    await bob.connection.request('contacts.block', { userId: stranger.account.userId });
    await bob.connection.request('mailbox.acknowledge', { cursors: [1, 2, 3] });
    expect(await sendBatch(stranger, [message(bob, 'unwanted'), message(bob, 'still')])).toEqual([[], []]);
    expect(await mailbox(bob)).toHaveLength(LIMITS.maxRequestsPerSender - 3);
  });

  it('says which message found a full mailbox', async () => {
    const [ada, bob] = await contacts();
    await edge.database.prisma.mailbox.updateMany({
      where: { deviceId: bob.device.deviceId },
      data: { itemCount: LIMITS.maxMailboxItemsPerDevice - 1 },
    });

    const outcomes = await sendBatch(ada, [message(bob, 'fits'), message(bob, 'does not')]);

    expect(outcomes).toEqual([[], [bob.device.deviceId]]);
  });

  it.each<[string, (bob: SignedInUser) => object]>([
    ['none', () => ({ messages: [] })],
    ['no list', () => ({})],
    [
      'more than there may be',
      (bob) => ({
        messages: Array.from({ length: LIMITS.maxMessagesPerRequest + 1 }, (_, n) => message(bob, String(n))),
      }),
    ],
  ])('refuses %s as a whole', async (_what, request) => {
    const [ada, bob] = await contacts();

    expect(await ada.connection.refusal('message.send-batch', request(bob))).toBe('BAD_REQUEST');
    expect(await mailbox(bob)).toEqual([]);
  });
});

describe('message.send without being a contact', () => {
  it('is a request, bounded without a word to the sender', async () => {
    const [stranger, bob] = [await newUser(), await newUser()];
    const before = await edge.drops('request-limit');

    const replies = [];
    for (let n = 0; n <= LIMITS.maxRequestsPerSender; n += 1) {
      replies.push(await stranger.connection.request('message.send', message(bob, `request ${String(n)}`)));
    }

    const items = await mailbox(bob);
    expect(replies.every(({ full }) => full.length === 0)).toBe(true);
    expect(items).toHaveLength(LIMITS.maxRequestsPerSender);
    expect(items.every(({ isRequest }) => isRequest)).toBe(true);
    expect(await edge.drops('request-limit')).toBe(before + 1);

    await bob.connection.request('mailbox.acknowledge', { cursors: [1] });
    await stranger.connection.request('message.send', message(bob, 'after one was taken'));
    expect(await mailbox(bob)).toHaveLength(LIMITS.maxRequestsPerSender);
  });

  it('is no request when it is a receipt, with a bound of its own', async () => {
    const [stranger, bob] = [await newUser(), await newUser()];

    for (let n = 0; n <= LIMITS.maxRequestsPerSender; n += 1) {
      await stranger.connection.request(
        'message.send',
        message(bob, `receipt ${String(n)}`, { isReceipt: true }),
      );
    }
    await stranger.connection.request('message.send', message(bob, 'a request'));

    const items = await mailbox(bob);
    expect(items.filter(({ isRequest }) => !isRequest)).toHaveLength(LIMITS.maxRequestsPerSender);
    expect(items.filter(({ isRequest }) => isRequest)).toHaveLength(1);
  });

  it('answers a blocked sender as any other, keeps nothing, and still serves its own devices', async () => {
    const [ada, bob] = await contacts();
    await bob.connection.request('contacts.block', { userId: ada.account.userId });
    const tablet = new SigningDevice();
    await addDevice(ada, tablet);
    const own = { userId: ada.account.userId, deviceId: tablet.deviceId };
    const before = await edge.drops('blocked');

    const request = sendRequest(bob.account.userId, [partyOf(bob), own], 'unwanted', {
      listVersions: { peer: 1, own: 2 },
    });
    const reply = await ada.connection.send('message.send', request);

    expect(reply).toEqual({ ok: true, data: { storedAt: expect.any(Number), full: [] } });
    expect(await mailbox(bob)).toEqual([]);
    expect(bob.connection.events.map(({ name }) => name)).not.toContain('mailbox.arrived');
    expect(await edge.database.prisma.mailboxCopy.count({ where: { deviceId: tablet.deviceId } })).toBe(1);
    expect(await edge.drops('blocked')).toBe(before + 1);
    expect(
      await bob.connection.refusal('message.send', message(ada, 'x', { listVersions: { peer: 2, own: 1 } })),
    ).toBe('FORBIDDEN');
  });
});

describe('a mailbox', () => {
  it('of a device that comes back into the list is empty', async () => {
    const [ada, bob] = await contacts();
    const tablet = new SigningDevice();
    const party = { userId: bob.account.userId, deviceId: tablet.deviceId };
    const send = (name: string, peer: number) =>
      ada.connection.request(
        'message.send',
        sendRequest(bob.account.userId, [party], name, { listVersions: { peer, own: 1 } }),
      );
    await addDevice(bob, tablet);
    await send('before', 2);
    const removal = bob.account.next([bob.device], bob.device);
    await bob.connection.request('account.update-devices', { deviceList: removal });
    await addDevice(bob, tablet);

    await send('after', 4);

    const rows = await edge.database.prisma.mailboxCopy.findMany({ where: { deviceId: tablet.deviceId } });
    expect(rows).toMatchObject([{ cursor: 1n, messageId: messageNamed('after') }]);
  });

  it('can be acknowledged in any order and twice', async () => {
    const [ada, bob] = await contacts();
    for (const name of ['a', 'b', 'c']) await ada.connection.request('message.send', message(bob, name));

    await bob.connection.request('mailbox.acknowledge', { cursors: [3, 1, 1, 99] });
    await bob.connection.request('mailbox.acknowledge', { cursors: [1] });

    expect(await mailbox(bob)).toMatchObject([{ cursor: 2 }]);
    expect(
      await edge.database.prisma.mailbox.findMany({ where: { deviceId: bob.device.deviceId } }),
    ).toMatchObject([{ itemCount: 1, byteCount: 64n, lastCursor: 3n }]);
  });

  it('is not open to other devices', async () => {
    const [ada, bob] = await contacts();
    await ada.connection.request('message.send', message(bob, 'private'));

    await ada.connection.request('mailbox.acknowledge', { cursors: [1] });

    expect(await mailbox(ada)).toEqual([]);
    expect(await mailbox(bob)).toHaveLength(1);
  });
});
