import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { receiveFile, sendFile, type EdgeClient } from '@parley/edge-client';
import { befriend, ClientBench, firstOf, nextSession, readText, untilDirect, userIdOf } from './clients.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

describe('two edge clients through a supernode process', () => {
  let supernode: RunningSupernode;
  let bench: ClientBench;
  let alice: EdgeClient;
  let bob: EdgeClient;

  beforeAll(async () => {
    supernode = await startSupernode();
    bench = new ClientBench(supernode.url);
    [alice, bob] = await Promise.all([bench.user('alice'), bench.user('bob')]);
    await befriend(alice, bob);
  }, 90_000);

  afterAll(async () => {
    await bench.clear();
    await supernode.stop();
  }, 30_000);

  it('see each other by handle and presence', async () => {
    const found = await alice.directory.lookup({ handle: 'BOB' });
    const [before] = await alice.presence.subscribe(found.userId);
    const busy = new Promise<string>((resolve) => {
      alice.presence.on('change', ({ userId, state }) => {
        if (userId === found.userId && state === 'busy') resolve(state);
      });
    });
    await bob.presence.set({ state: 'busy' });

    expect(found.userId).toBe(userIdOf(bob));
    expect(before?.state).toBe('online');
    expect(await busy).toBe('busy');
  });

  it('open a session that becomes direct and carries datagrams, a stream and a file', async () => {
    const arriving = nextSession(bob);
    const ours = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;
    await Promise.all([untilDirect(ours), untilDirect(theirs)]);

    const heard = firstOf(theirs.datagrams);
    expect(ours.sendDatagram(Buffer.from('voice'))).toBe(true);
    expect(Buffer.from(await heard).toString()).toBe('voice');

    const question = ours.openStream();
    await question.write(Buffer.from('question'));
    await question.end();
    const received = await firstOf(theirs.incomingStreams);
    expect(await readText(received)).toBe('question');
    await received.write(Buffer.from('answer'));
    await received.end();
    expect(await readText(question)).toBe('answer');
    await ours.close();
    expect((await theirs.closed).by).toBe('peer');
  }, 30_000);

  it('send a file that the receiver has on its disk', async () => {
    const from = join(await bench.folder(), 'photo.jpg');
    const into = await bench.folder();
    const content = randomBytes(3_000_000);
    await writeFile(from, content);
    const arriving = nextSession(bob);
    const ours = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;

    const receiving = firstOf(theirs.incomingStreams).then((stream) => receiveFile(stream, { into }));
    const sent = await sendFile(ours, from);
    const received = await receiving;

    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(sent).toEqual({ name: 'photo.jpg', bytes: content.length, sha256 });
    expect(received).toEqual({ ...sent, path: join(into, 'photo.jpg') });
    expect(
      createHash('sha256')
        .update(await readFile(received.path))
        .digest('hex'),
    ).toBe(sha256);
  }, 30_000);

  it('stay on the relay where the policy forbids the direct path', async () => {
    const arriving = nextSession(bob);
    const ours = await alice.openSession(userIdOf(bob), { policy: 'relay-only' });
    const theirs = await arriving;
    const heard = firstOf(theirs.datagrams);
    ours.sendDatagram(Buffer.from('relayed'));

    expect(Buffer.from(await heard).toString()).toBe('relayed');
    expect([ours.path, theirs.path]).toEqual(['relayed', 'relayed']);
  }, 30_000);

  it('give the session to the first device of a user that answers, and only to that one', async () => {
    const tablet = await bench.open();
    const invitation = await tablet.linkCode();
    await bob.approveLink(invitation.code, { name: 'tablet' });
    await invitation.approved;
    await tablet.connect();
    await alice.devices(userIdOf(bob));
    const devices = [bob, tablet];
    const opened: EdgeClient[] = [];
    for (const device of devices) device.on('session', () => opened.push(device));
    const first = Promise.any(devices.map(nextSession));

    const session = await alice.openSession(userIdOf(bob));
    await first;
    const winner = devices.find(
      (device) => device.identity.deviceId === alice.sessions.peerOf(session)?.deviceId,
    );
    const loser = devices.find((device) => device !== winner);
    expect(opened).toEqual([winner]);
    // What the loser would have told of the first session, it has told before the second one.
    const direct = { userId: userIdOf(bob), deviceId: loser!.identity.deviceId };
    const second = new Promise((resolve) => loser!.on('session', resolve));
    const again = await alice.openSession(direct);
    await second;

    expect(opened).toEqual([winner, loser]);
    await again.close();
    await session.close();
  }, 60_000);
});
