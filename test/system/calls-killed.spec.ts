import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Call, CallRecord, CallState, EdgeClient, IncomingCall } from '@parley/edge-client';
import { LIMITS } from '@parley/protocol';
import { befriend, ClientBench, untilDirect, userIdOf } from './clients.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

describe('calls when a process is killed', () => {
  let supernode: RunningSupernode;
  let bench: ClientBench;
  let alice: EdgeClient;
  let bob: EdgeClient;
  let tablet: EdgeClient;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    supernode = await startSupernode();
    bench = new ClientBench(supernode.url);
    [alice, bob] = await Promise.all([bench.user('alice'), bench.user('bob')]);
    await befriend(alice, bob);
    tablet = await bench.open();
    const { code, approved } = await tablet.linkCode();
    await bob.approveLink(code, { name: 'tablet' });
    await approved;
    await tablet.connect();
    await alice.devices(userIdOf(bob));
  }, 90_000);

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await bench.clear();
    await supernode.stop();
  }, 30_000);

  /** The supernode ends as in a crash, and is back at the same place. */
  async function restart(): Promise<void> {
    const { dataDir, url } = supernode;
    const edgePort = Number(new URL(url).port);
    await supernode.kill();
    supernode = await startSupernode({ dataDir, edgePort });
  }

  async function ringing() {
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    // No offer expires while a busy machine starts its supernode again.
    const call = alice.calls.call(userIdOf(bob), { ringMs: 120_000 });
    return { call, atBob: await atBob, atTablet: await atTablet };
  }

  async function talking() {
    const { call, atBob, atTablet } = await ringing();
    // Only the database remembers the call when the supernode is back.
    const written = [recorded(alice, call), recorded(bob, call)];
    await atBob.accept();
    await Promise.all([call.connected, atTablet.ended, ...written]);
    if (call.session) await untilDirect(call.session);
    return { call, atBob };
  }

  it('ring no more on any device when the supernode dies while it rings', async () => {
    const { call, atBob, atTablet } = await ringing();

    await restart();
    const ends = await Promise.all([call.ended, atBob.ended, atTablet.ended]);

    expect(ends.map(({ cause }) => cause)).toEqual(['cancel', 'cancel', 'cancel']);
    expect(ends.map(({ outcome }) => outcome)).toEqual(['cancelled', 'missed', 'missed']);
    expect(ends[0].error).toMatchObject({ code: 'EDGE_CONNECTION_LOST', retryable: true });
    const again = await ringing();
    await again.atTablet.accept();
    expect(await again.atBob.ended).toMatchObject({ cause: 'answered-elsewhere' });
    await again.call.hangUp();
  }, 90_000);

  it('go on without the supernode, and end in all histories when it is back', async () => {
    const { call, atBob } = await talking();
    const frames = atBob.voice.framesRecorded;

    await supernode.kill();
    await heardAfter(atBob, frames + 50);
    expect([call.state, atBob.state]).toEqual(['active', 'active']);
    await call.hangUp();
    expect(await atBob.ended).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    const { dataDir, url } = supernode;
    supernode = await startSupernode({ dataDir, edgePort: Number(new URL(url).port) });

    const histories = await Promise.all([alice, bob, tablet].map((client) => ended(client, call)));
    expect(histories.map(({ outcome }) => outcome)).toEqual(['completed', 'completed', 'completed']);
    expect(histories[1]).toEqual(histories[2]);
  }, 90_000);

  it('end for everybody when the device of one side is killed, who stays silent', async () => {
    const { child, userId } = await silentUser('accepts');
    await befriendWith(alice, userId);
    const call = alice.calls.call(userId);
    await call.connected;

    child.kill('SIGKILL');
    await once(child, 'exit');

    expect(await call.ended).toMatchObject({ cause: 'lost', outcome: 'completed' });
    expect(await ended(alice, call)).toMatchObject({ outcome: 'completed' });
    expect(alice.calls.active).toEqual([]);
  }, 120_000);

  it('ring no more soon after the device that calls is killed', async () => {
    const { child, userId } = await silentUser('calls');
    const incoming = [nextIncoming(bob), nextIncoming(tablet)];
    await befriendWith(bob, userId);
    const calls = await Promise.all(incoming);
    const rings = calls.map((call) => reached(call, 'ringing'));
    await Promise.all(rings);

    child.kill('SIGKILL');
    const killedAt = performance.now();
    const ends = await Promise.all(calls.map((call) => call.ended));

    expect(ends.map(({ cause, outcome }) => `${cause} ${String(outcome)}`)).toEqual(
      Array(2).fill('cancel missed'),
    );
    // A moment in which it might have come back, instead of the 45 seconds that it would have rung.
    expect(performance.now() - killedAt).toBeLessThan(LIMITS.ringingCallerGraceMs + 5000);
    expect(await ended(bob, calls[0]!)).toMatchObject({ direction: 'incoming', outcome: 'missed' });
  }, 120_000);

  /** A device in a process of its own that becomes a contact of whoever asks, and accepts every call or makes one. */
  async function silentUser(
    habit: 'accepts' | 'calls',
  ): Promise<{ child: ChildProcess; userId: ReturnType<typeof userIdOf> }> {
    const script = fileURLToPath(new URL('silent-user.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, supernode.url, await bench.folder(), habit], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return { child, userId: line as ReturnType<typeof userIdOf> };
  }
});

/** Becomes a contact of somebody who accepts by itself. */
async function befriendWith(client: EdgeClient, userId: ReturnType<typeof userIdOf>): Promise<void> {
  const agreed = new Promise<void>((resolve) => {
    client.contacts.on('change', (event) => {
      if (event.userId === userId && event.contact?.state === 'accepted') resolve();
    });
  });
  await client.contacts.request(userId);
  await agreed;
}

function nextIncoming(client: EdgeClient): Promise<IncomingCall> {
  return new Promise((resolve) => {
    const off = client.calls.on('incoming', (call) => {
      off();
      resolve(call);
    });
  });
}

/** Resolves when the call is in this state; at once if it is already. */
async function reached(call: Call, state: CallState): Promise<void> {
  if (call.state === state) return;
  for await (const { to } of call.states()) if (to === state) return;
}

/** Resolves when the call is in the history of this client's user. */
function recorded(client: EdgeClient, call: Call): Promise<CallRecord> {
  return new Promise((resolve) => {
    const off = client.calls.on('recorded', ({ record }) => {
      if (record.sessionId !== call.id) return;
      off();
      resolve(record);
    });
  });
}

/** The call in the history, once it has an end there. */
async function ended(client: EdgeClient, call: Call): Promise<CallRecord> {
  for (;;) {
    const changed = Promise.race([recorded(client, call), nextOnline(client)]);
    const history = client.state === 'online' ? await client.calls.history() : [];
    const record = history.find(({ sessionId }) => sessionId === call.id);
    if (typeof record?.endedAt === 'number') return record;
    await changed;
  }
}

function nextOnline(client: EdgeClient): Promise<void> {
  return new Promise((resolve) => {
    const off = client.on('state', ({ to }) => {
      if (to !== 'online') return;
      off();
      resolve();
    });
  });
}

/** Resolves when so many frames of the other end were heard. */
function heardAfter(call: IncomingCall, frames: number): Promise<void> {
  return new Promise((resolve) => {
    const off = call.recordPcm(() => {
      if (call.voice.framesRecorded < frames) return;
      off();
      resolve();
    });
  });
}
