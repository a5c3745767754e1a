import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ParleyCommands, type Outcome, type RunningCommand } from './parley-commands.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

const VOICE = fileURLToPath(new URL('../../tools/demo/media/voice.wav', import.meta.url));

describe('parley', () => {
  let supernode: RunningSupernode;
  let folder: string;
  let parley: ParleyCommands;

  beforeAll(async () => {
    supernode = await startSupernode();
    folder = await mkdtemp(join(tmpdir(), 'parley-cli-'));
    parley = new ParleyCommands({ url: supernode.url, folder });
  }, 90_000);

  // A test that failed half-way leaves its commands running.
  afterEach(() => parley.stop());

  afterAll(async () => {
    await supernode.stop();
    await rm(folder, { recursive: true, force: true });
  }, 30_000);

  const start = (who: string, ...args: readonly string[]): RunningCommand => parley.start(who, ...args);
  const run = (who: string, ...args: readonly string[]): Promise<Outcome> => parley.run(who, ...args);

  it('registers, makes contacts, and sends a file that the receiver keeps', async () => {
    const content = randomBytes(500_000);
    await writeFile(join(folder, 'photo.jpg'), content);
    const registered = await run('alice', 'register', 'alice');
    await run('bob', 'register', 'bob');
    await run('alice', 'contacts', 'request', 'bob');
    const accepted = await run('bob', 'contacts', 'accept', 'alice');
    const receiver = start('bob', 'receive', '--into', join(folder, 'in'), '--once');
    await receiver.until('Waiting for files');

    const sent = await run('alice', 'send', 'bob', join(folder, 'photo.jpg'));
    const received = await receiver.done;

    expect(registered).toMatchObject({ code: 0, json: { ok: true, handle: 'alice' } });
    expect(accepted).toMatchObject({ code: 0, json: { ok: true, contact: { state: 'accepted' } } });
    expect(sent).toMatchObject({ code: 0, json: { ok: true, name: 'photo.jpg', bytes: content.length } });
    expect(received).toMatchObject({
      code: 0,
      json: { ok: true, files: [{ name: 'photo.jpg', sha256: sent.json['sha256'] }] },
    });
    expect((await readFile(join(folder, 'in', 'photo.jpg'))).equals(content)).toBe(true);
    expect(sent.stdout.trimEnd().split('\n')).toHaveLength(1);
  }, 60_000);

  it('chats with somebody who is away and comes back', async () => {
    await run('ivan', 'register', 'ivan');
    await run('judy', 'register', 'judy');
    await run('ivan', 'contacts', 'request', 'judy');
    await run('judy', 'contacts', 'accept', 'ivan');

    const sent = await run('ivan', 'chat', 'judy', '--send', 'are you there?');
    const received = await run('judy', 'chat', 'ivan', '--once');
    const open = start('judy', 'chat', 'ivan');
    await open.until('Type a line');
    open.interrupt();

    expect(sent).toMatchObject({ code: 0, json: { ok: true, sent: [{ text: 'are you there?' }] } });
    expect(received).toMatchObject({
      code: 0,
      json: {
        ok: true,
        received: [{ text: 'are you there?', id: (sent.json['sent'] as { id: string }[])[0]?.id }],
      },
    });
    // What was acknowledged does not come again.
    expect(await open.done).toMatchObject({ code: 0, json: { ok: true, received: [] } });
  }, 120_000);

  it('links a device by the code that it shows', async () => {
    await run('carol', 'register', 'carol');
    const waiting = start('tablet', 'link');
    const code = (await waiting.until('parley-link:')).trim();

    const approved = await run('carol', 'link', code, '--name', 'tablet');
    const linked = await waiting.done;

    expect(approved).toMatchObject({ code: 0, json: { ok: true } });
    expect(linked).toMatchObject({ code: 0, json: { handle: 'carol', deviceId: approved.json['deviceId'] } });
  }, 60_000);

  it('says by its exit code and by JSON what went wrong', async () => {
    await run('dave', 'register', 'dave');

    expect(await run('eve', 'register', 'dave')).toMatchObject({
      code: 1,
      json: { ok: false, error: { code: 'HANDLE_TAKEN' } },
    });
    expect(await run('nobody', 'contacts')).toMatchObject({
      code: 1,
      json: { ok: false, error: { code: 'EDGE_NOT_REGISTERED' } },
    });
    expect((await run('dave', 'frobnicate')).code).toBe(64);
    expect((await run('dave', 'send', 'dave')).code).toBe(64);
  }, 60_000);

  it('calls, answers, and keeps what was heard', async () => {
    await run('ivan', 'register', 'ivan');
    await run('judy', 'register', 'judy');
    await run('ivan', 'contacts', 'request', 'judy');
    await run('judy', 'contacts', 'accept', 'ivan');
    const recording = join(folder, 'heard.wav');
    const answering = start('judy', 'answer', '--record', recording, '--once');
    await answering.until('Waiting for calls');

    const called = await run('ivan', 'call', 'judy', '--play', VOICE, '--seconds', '3');
    const answered = await answering.done;

    for (const { code, json } of [called, answered])
      expect({ code, json }).toMatchObject({
        code: 0,
        json: { ok: true, outcome: 'completed', path: 'direct' },
      });
    const { framesRecorded, mos } = answered.json as { framesRecorded: number; mos: number };
    expect(mos).toBeGreaterThanOrEqual(3);
    // 44 bytes of header, then 20 ms of 16-bit samples at 16 kHz for each frame
    expect((await readFile(recording)).length).toBe(44 + framesRecorded * 640);
    expect(framesRecorded).toBeGreaterThan(50);

    const unanswered = await run('ivan', 'call', 'judy', '--ring', '2');
    expect(unanswered).toMatchObject({ code: 1, json: { ok: false, outcome: 'missed' } });
  }, 60_000);

  it('watches until Ctrl-C and then ends in order', async () => {
    await run('frank', 'register', 'frank');
    const watching = start('frank', 'watch', 'frank');
    await watching.until('frank is online');

    watching.interrupt();

    expect(await watching.done).toMatchObject({ code: 0, json: { ok: true, users: [{ name: 'frank' }] } });
  }, 60_000);

  it('refuses a second process on one identity', async () => {
    await run('grace', 'register', 'grace');
    const watching = start('grace', 'watch', 'grace');
    await watching.until('grace is online');

    expect(await run('grace', 'contacts')).toMatchObject({
      code: 75,
      json: { error: { code: 'EDGE_IDENTITY_LOCKED' } },
    });
    watching.interrupt();
    await watching.done;
  }, 60_000);

  it('measures the network', async () => {
    await run('heidi', 'register', 'heidi');

    expect(await run('heidi', 'netcheck')).toMatchObject({
      code: 0,
      json: { ok: true, ipv4: { udp: 'works' }, crossCheck: { agrees: true } },
    });
  }, 60_000);
});
