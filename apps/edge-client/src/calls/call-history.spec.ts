import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS, type CallRecord, type SessionId, type UserId } from '@parley/protocol';
import { EdgeClient } from '../client/edge-client.ts';
import { MemoryIdentityStore } from '../identity/identity-store.ts';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { newClient, userIdOf } from '../testing/online-pair.ts';

const BOB = 'bob' as UserId;
const CAROL = 'carol' as UserId;

function record(number: number, rest: Partial<CallRecord> = {}): CallRecord {
  return {
    cursor: number,
    sessionId: Buffer.alloc(16, number).toString('base64url') as SessionId,
    peer: BOB,
    direction: 'incoming',
    media: ['audio'],
    startedAt: Date.now() - 60_000 + number,
    answeredAt: null,
    endedAt: Date.now(),
    outcome: 'missed',
    answeredBy: null,
    ...rest,
  };
}

describe('client.calls.history', () => {
  let supernode: FakeSupernode;
  let alice: EdgeClient;

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
    alice = await newClient(supernode, 'alice');
    await alice.connect();
  });

  afterEach(async () => {
    await alice.close();
    await supernode.stop();
  });

  const keep = (...records: CallRecord[]) => supernode.callRecords.set(userIdOf(alice), records);
  const cursors = async (options = {}) => (await alice.calls.history(options)).map(({ cursor }) => cursor);

  it('has every call of all pages once, newest first', async () => {
    keep(...Array.from({ length: 120 }, (_, at) => record(at + 1)));

    const history = await cursors();

    expect(history).toHaveLength(120);
    expect(history.slice(0, 2)).toEqual([120, 119]);
    expect(supernode.requests.filter((name) => name === 'calls.history')).toHaveLength(3);
    expect(await cursors({ limit: 1 })).toEqual([120]);
    expect(supernode.requests.filter((name) => name === 'calls.history')).toHaveLength(4);
  });

  it('shows one user, and a call that changed in its newest state', async () => {
    keep(record(1, { outcome: null, endedAt: null }), record(2, { peer: CAROL }));
    expect(await alice.calls.history({ peer: BOB })).toMatchObject([{ cursor: 1, outcome: null }]);

    keep(record(2, { peer: CAROL }), { ...record(1), cursor: 3, outcome: 'completed' });

    expect(await alice.calls.history({ peer: BOB })).toMatchObject([{ cursor: 3, outcome: 'completed' }]);
  });

  it('tells what is recorded, once and in its newest state only', async () => {
    const told: number[] = [];
    alice.calls.on('recorded', ({ record: { cursor } }) => told.push(cursor));
    const { deviceId } = alice.identity;
    const ended = { ...record(1), cursor: 2 };
    supernode.push(deviceId, 'call.recorded', { record: ended });
    supernode.push(deviceId, 'call.recorded', { record: ended });
    supernode.push(deviceId, 'call.recorded', { record: record(1, { outcome: null }) });

    expect(await alice.calls.history()).toMatchObject([{ cursor: 2, outcome: 'missed' }]);
    expect(told).toEqual([2]);
  });

  it('does not let an event hide what was missed before it', async () => {
    keep(record(1), record(2), record(3));
    supernode.push(alice.identity.deviceId, 'call.recorded', { record: record(3) });

    expect(await cursors()).toEqual([3, 2, 1]);
  });

  it('settles a call whose end was never learned', async () => {
    const startedAt = Date.now() - LIMITS.callRecordOpenMs - 1000;
    keep(record(1, { startedAt, outcome: null, endedAt: null }));

    expect(await alice.calls.history()).toMatchObject([{ outcome: 'completed', endedAt: null }]);
  });

  it('shows what it knows while the supernode is away, and refuses when it knows nothing', async () => {
    keep(record(1));
    await alice.calls.history();
    const offline = new Promise<void>((resolve) => {
      alice.on('state', ({ to }) => to === 'reconnecting' && resolve());
    });
    const { url } = supernode;
    await supernode.stop();
    await offline;

    expect(await cursors()).toEqual([1]);
    const bob = await EdgeClient.open({ url, identityStore: new MemoryIdentityStore() });
    await expect(bob.calls.history()).rejects.toMatchObject({ code: 'EDGE_NOT_CONNECTED' });
    await bob.close();
  });
});
