import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CallRecord, EdgeClient, IncomingCall } from '@parley/edge-client';
import { befriend, ClientBench, userIdOf } from './clients.ts';
import { correlation } from './correlation.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

const SPEECH = new URL('../../tools/demo/media/voice.wav', import.meta.url);
const WAV_HEADER_BYTES = 44;
const SAMPLE_RATE = 16_000;

describe('calls through a supernode process', () => {
  let supernode: RunningSupernode;
  let bench: ClientBench;
  let alice: EdgeClient;
  let bob: EdgeClient;
  let tablet: EdgeClient;
  let speech: Int16Array;

  beforeAll(async () => {
    const wav = await readFile(SPEECH);
    speech = new Int16Array(wav.buffer.slice(wav.byteOffset + WAV_HEADER_BYTES, wav.byteOffset + wav.length));
    supernode = await startSupernode();
    bench = new ClientBench(supernode.url);
    [alice, bob] = await Promise.all([bench.user('alice'), bench.user('bob')]);
    await befriend(alice, bob);
    tablet = await bench.open();
    const invitation = await tablet.linkCode();
    await bob.approveLink(invitation.code, { name: 'tablet' });
    await invitation.approved;
    await tablet.connect();
    await alice.devices(userIdOf(bob));
  }, 90_000);

  afterAll(async () => {
    await bench.clear();
    await supernode.stop();
  }, 30_000);

  it('ring on all devices, are answered on one, and carry voice until somebody hangs up', async () => {
    const rang = new Set<string>();
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    const call = alice.calls.call(userIdOf(bob), { sampleRate: SAMPLE_RATE });
    call.on('ringing', ({ deviceId }) => rang.add(deviceId));
    const played = call.playPcm(speech);
    const [answering, waiting] = await Promise.all([atBob, atTablet]);
    const recording: Int16Array[] = [];
    answering.recordPcm((pcm) => recording.push(pcm));

    await answering.accept({ sampleRate: SAMPLE_RATE });
    const elsewhere = await waiting.ended;
    await played;
    await heardUntil(answering, speech.length / (SAMPLE_RATE / 50));
    await call.hangUp();
    const [ours, theirs] = await Promise.all([call.ended, answering.ended]);

    expect(elsewhere).toMatchObject({ cause: 'answered-elsewhere', outcome: null });
    expect([...rang].sort()).toEqual([bob.identity.deviceId, tablet.identity.deviceId].sort());
    for (const end of [ours, theirs]) expect(end).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    expect(theirs.voice?.mos).toBeGreaterThanOrEqual(3.6);
    const recorded = Int16Array.from(recording.flatMap((frame) => [...frame]));
    expect(correlation(speech, recorded, { sampleRate: SAMPLE_RATE, searchSeconds: 1 })).toBeGreaterThan(0.9);
  }, 60_000);

  it('leave the same history on all devices of a user', async () => {
    const call = alice.calls.call(userIdOf(bob));
    const incoming = await nextIncoming(bob);
    await incoming.reject();
    await call.ended;

    const [onBob, onTablet] = await Promise.all([settled(bob, 'rejected'), settled(tablet, 'rejected')]);
    const [newest] = await settled(alice, 'rejected');

    expect(onBob).toEqual(onTablet);
    expect(onBob.map(({ direction, outcome }) => [direction, outcome])).toEqual([
      ['incoming', 'rejected'],
      ['incoming', 'completed'],
    ]);
    expect(newest).toMatchObject({ sessionId: call.id, direction: 'outgoing', peer: userIdOf(bob) });
  }, 60_000);

  it('are missed while the callee is away, who sees it on return', async () => {
    const carol = await bench.user('carol');
    const dataDir = await bench.folder();
    const dave = await bench.user('dave', { dataDir });
    await befriend(carol, dave);
    const daveId = userIdOf(dave);
    await dave.close();

    const end = await carol.calls.call(daveId).ended;
    const back = await bench.open({ dataDir });
    const rung: IncomingCall[] = [];
    back.calls.on('incoming', (call) => rung.push(call));
    await back.connect();

    expect(end).toMatchObject({ cause: 'unavailable', outcome: 'missed' });
    expect(await back.calls.history()).toMatchObject([
      { direction: 'incoming', outcome: 'missed', peer: userIdOf(carol) },
    ]);
    expect(rung).toEqual([]);
  }, 60_000);

  it('that cross become one', async () => {
    const [erin, frank] = await Promise.all([bench.user('erin'), bench.user('frank')]);
    await befriend(erin, frank);
    await Promise.all([erin.devices(userIdOf(frank)), frank.devices(userIdOf(erin))]);
    const calls = [erin.calls.call(userIdOf(frank)), frank.calls.call(userIdOf(erin))];

    const talking = await Promise.all(calls.map((call) => call.connected));
    await talking[0]?.hangUp();
    await Promise.all(talking.map((call) => call.ended));

    expect(talking[0]?.id).toBe(talking[1]?.id);
    const history = await settled(erin, 'completed');
    expect(history.map(({ sessionId }) => sessionId)).toEqual([talking[0]?.id]);
  }, 60_000);

  /** The history once its newest call ended so; told by events. */
  async function settled(client: EdgeClient, outcome: string): Promise<readonly CallRecord[]> {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        const off = client.calls.on('recorded', () => {
          off();
          resolve();
        });
      });
      const history = await client.calls.history();
      if (history[0]?.outcome === outcome) return history;
      await changed;
    }
  }
});

function nextIncoming(client: EdgeClient): Promise<IncomingCall> {
  return new Promise((resolve) => {
    const off = client.calls.on('incoming', (call) => {
      off();
      resolve(call);
    });
  });
}

/** Resolves when so many frames of the other end were heard. */
function heardUntil(call: IncomingCall, frames: number): Promise<void> {
  return new Promise((resolve) => {
    const off = call.recordPcm(() => {
      if (call.voice.framesRecorded < frames) return;
      off();
      resolve();
    });
  });
}
