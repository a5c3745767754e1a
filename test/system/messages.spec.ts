import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EdgeClient, HistoryMessage, ReceivedMessage } from '@parley/edge-client';
import { befriend, ClientBench, firstOf, nextSession, userIdOf } from './clients.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

/** Everything that the `message` handler of a client got, and the means to wait for more of it. */
class Received {
  readonly messages: ReceivedMessage[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  constructor(client: EdgeClient) {
    client.messages.on('message', (message) => {
      this.messages.push(message);
      for (const { count, resolve } of this.#waiting) if (this.messages.length >= count) resolve();
    });
  }

  get texts(): readonly string[] {
    return this.messages.map(({ text }) => text);
  }

  async atLeast(count: number): Promise<void> {
    if (this.messages.length >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }
}

/** Resolves when the client has read its mailbox to the end. */
function caughtUp(client: EdgeClient): Promise<'complete' | 'gap'> {
  return new Promise((resolve) => client.messages.on('catch-up', ({ continuity }) => resolve(continuity)));
}

/** Links a new device to the account of a client, and brings it online. */
async function linkDevice(bench: ClientBench, client: EdgeClient): Promise<EdgeClient> {
  const device = await bench.open();
  const { code, approved } = await device.linkCode();
  await client.approveLink(code);
  await approved;
  await device.connect();
  return device;
}

const orderOf = (history: readonly HistoryMessage[]) =>
  history.map(({ id, clock, from }) => [clock, from.deviceId, id]);

describe('messages through a supernode process', () => {
  let supernode: RunningSupernode;
  let bench: ClientBench;
  let alice: EdgeClient;

  beforeEach(async () => {
    supernode = await startSupernode();
    bench = new ClientBench(supernode.url);
    alice = await bench.user('alice');
  }, 90_000);

  afterEach(async () => {
    await bench.clear();
    await supernode.stop();
  }, 30_000);

  it('reach each device once, whenever it comes, and the own other device, in one order', async () => {
    const folder = await bench.folder();
    let bob = await bench.user('bob', { dataDir: folder });
    const bobId = userIdOf(bob);
    await befriend(alice, bob);
    const tablet = await linkDevice(bench, bob);
    const laptop = await linkDevice(bench, alice);
    const [onTablet, onLaptop] = [new Received(tablet), new Received(laptop)];
    await bob.close();

    const texts = ['one', 'two', 'three'];
    const sent = [];
    for (const text of texts) sent.push(await alice.messages.send(bobId, text));
    await Promise.all(sent.map(({ stored }) => stored));
    await Promise.all([onTablet.atLeast(3), onLaptop.atLeast(3)]);
    bob = await bench.open({ dataDir: folder });
    const onBob = new Received(bob);
    const complete = caughtUp(bob);
    await bob.connect();
    await onBob.atLeast(3);
    const delivered = await Promise.all(sent.map((message) => message.delivered));

    expect(await complete).toBe('complete');
    expect([onBob.texts, onTablet.texts, onLaptop.texts]).toEqual([texts, texts, texts]);
    expect(onLaptop.messages.every(({ isOwn, peer }) => isOwn && peer === bobId)).toBe(true);
    const bobsDevices = [bob.identity.deviceId, tablet.identity.deviceId];
    for (const { deviceId } of delivered) expect(bobsDevices).toContain(deviceId);

    const readByLaptop = new Promise<void>((resolve) => {
      laptop.messages.on('receipt', ({ receipt, messageIds }) => {
        if (receipt === 'read' && messageIds.length > 0) resolve();
      });
    });
    await bob.messages.markRead(userIdOf(alice));
    await Promise.all([...sent.map(({ read }) => read), readByLaptop]);
    const histories = await Promise.all([
      alice.messages.history(bobId),
      laptop.messages.history(bobId),
      bob.messages.history(userIdOf(alice)),
      tablet.messages.history(userIdOf(alice)),
    ]);
    const [onAlice] = histories;
    expect(histories.map(orderOf)).toEqual(histories.map(() => orderOf(onAlice)));
    expect(onAlice.map(({ text, status }) => [text, status])).toEqual(texts.map((text) => [text, 'read']));
    // Nothing comes a second time with another start.
    await bob.close();
    bob = await bench.open({ dataDir: folder });
    const again = new Received(bob);
    const reread = caughtUp(bob);
    await bob.connect();
    expect(await reread).toBe('complete');
    expect(again.texts).toEqual([]);
  }, 60_000);

  it('go over an open session when there is one, beside the streams of the app', async () => {
    const bob = await bench.user('bob');
    await befriend(alice, bob);
    const received = new Received(bob);
    const arriving = nextSession(bob);
    const session = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;
    const stream = session.openStream();
    await stream.write(Buffer.from('app'));
    const sent = await alice.messages.send(userIdOf(bob), 'beside');
    await sent.delivered;
    const incoming = await firstOf(theirs.incomingStreams);

    expect(Buffer.from((await incoming.read()) ?? []).toString()).toBe('app');
    expect(received.texts).toEqual(['beside']);
    await supernode.kill();
    await alice.messages.send(userIdOf(bob), 'without a supernode').then(({ delivered }) => delivered);
    expect(received.texts).toEqual(['beside', 'without a supernode']);
  }, 60_000);

  it('of strangers wait in the request box until they are accepted', async () => {
    const bob = await bench.user('bob');
    const received = new Received(bob);
    const requested = new Promise<string>((resolve) =>
      bob.messages.on('request', ({ text }) => resolve(text)),
    );
    const sent = await alice.messages.send(userIdOf(bob), 'hello, stranger');
    await sent.stored;

    expect(await requested).toBe('hello, stranger');
    expect(received.texts).toEqual([]);
    expect(await bob.messages.history(userIdOf(alice))).toEqual([]);
    await bob.messages.requests.accept(userIdOf(alice));
    await received.atLeast(1);
    expect(received.texts).toEqual(['hello, stranger']);
    expect(await bob.messages.requests.list()).toEqual([]);
  }, 60_000);

  it('come again when the client is killed before its app has acknowledged', async () => {
    const folder = await bench.folder();
    const setup = await bench.user('bob', { dataDir: folder });
    const bobId = userIdOf(setup);
    await befriend(alice, setup);
    await setup.close();
    await alice.messages.send(bobId, 'once').then(({ stored }) => stored);

    const child = spawn(process.execPath, [
      fileURLToPath(new URL('silent-receiver.mjs', import.meta.url)),
      supernode.url,
      folder,
    ]);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    const bob = await bench.open({ dataDir: folder });
    const received = new Received(bob);
    await bob.connect();
    await received.atLeast(1);
    const sent = await alice.messages.send(bobId, 'after');
    await sent.delivered;

    expect(line).toBe('once');
    expect(received.messages.map(({ text, isRedelivery }) => [text, isRedelivery])).toEqual([
      ['once', true],
      ['after', false],
    ]);
  }, 60_000);

  it('survive the end of the supernode in the middle of sending', async () => {
    const bob = await bench.user('bob');
    await befriend(alice, bob);
    const received = new Received(bob);
    const port = Number(new URL(supernode.url).port);
    const texts = Array.from({ length: 60 }, (_, at) => `message ${String(at)}`);
    const sending = texts.map((text) => alice.messages.send(userIdOf(bob), text));
    const first = await sending[0];
    await first?.stored;
    await supernode.kill();
    supernode = await startSupernode({ dataDir: supernode.dataDir, edgePort: port });
    const sent = await Promise.all(sending);
    await Promise.all(sent.map(({ stored }) => stored));
    await received.atLeast(texts.length);
    const last = await alice.messages.send(userIdOf(bob), 'last');
    await last.delivered;

    expect([...received.texts].sort()).toEqual([...texts, 'last'].sort());
    const [ours, theirs] = [
      await alice.messages.history(userIdOf(bob), { limit: 100 }),
      await bob.messages.history(userIdOf(alice), { limit: 100 }),
    ];
    expect(orderOf(theirs)).toEqual(orderOf(ours));
  }, 120_000);
});
