import { createHash } from 'node:crypto';
import {
  appendFile,
  mkdtemp,
  open as openFile,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ConversationId, DeviceId, MessageId, UserId } from '@parley/protocol';
import { FileMessageStore } from './file-message-store.ts';
import type { StoreChange } from './message-store.ts';
import { keyOfMessage, type StoredMessage } from './stored-message.ts';

const ID = (length: number, at: number) => Buffer.alloc(length, at).toString('base64url');
const CONVERSATION = ID(32, 200) as ConversationId;

function message(at: number, changes: Partial<StoredMessage> = {}): StoredMessage {
  return {
    conversation: CONVERSATION,
    messageId: ID(16, at) as MessageId,
    from: { userId: 'bob' as UserId, deviceId: ID(32, 1) as DeviceId },
    peer: 'bob' as UserId,
    sentAt: 1,
    clock: at + 1,
    content: { kind: 'text', text: `text ${String(at)}` },
    ...{ state: 'arrived', storedAt: null, receipts: {}, isRead: false },
    ...changes,
  };
}

/** Of more messages than one byte tells apart. */
function numbered(at: number, changes: Partial<StoredMessage> = {}): StoredMessage {
  const messageId = Buffer.alloc(16);
  messageId.writeUInt32BE(at);
  return {
    ...message(0),
    messageId: messageId.toString('base64url') as MessageId,
    clock: at + 1,
    ...changes,
  };
}

const put = (value: StoredMessage): StoreChange => ({ table: 'messages', value });

describe('FileMessageStore', () => {
  let folder: string;
  let file: string;
  const open: FileMessageStore[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-messages-'));
    file = join(folder, 'messages.log');
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((store) => store.close()));
    await rm(folder, { recursive: true, force: true });
  });

  async function opened(options?: { compactionSlack: number }) {
    const store = new FileMessageStore(folder, options);
    open.push(store);
    return { store, state: await store.load() };
  }

  const texts = async (store: FileMessageStore, limit = 100) =>
    (await store.history(CONVERSATION, { limit })).map(
      ({ content }) => content.kind === 'text' && content.text,
    );

  it('has everything again after a restart, for nobody else to read', async () => {
    const { store } = await opened();
    await store.commit([put(message(1)), { table: 'clocks', key: CONVERSATION, value: 2 }]);
    await Promise.all([store.commit([put(message(3))]), store.commit([put(message(2))])]);
    await store.commit([put(message(1, { state: 'done' })), { table: 'seen', key: 'x', value: 5 }]);
    await store.commit([{ table: 'seen', key: 'x', value: null }]);
    await store.close();

    const { store: again, state } = await opened();
    expect(await texts(again)).toEqual(['text 1', 'text 2', 'text 3']);
    expect(await texts(again, 2)).toEqual(['text 2', 'text 3']);
    expect(await again.find(keyOfMessage(message(1)))).toEqual(message(1, { state: 'done' }));
    expect((await again.inState('arrived')).map(({ clock }) => clock).sort()).toEqual([3, 4]);
    expect(state.clocks.get(CONVERSATION)).toBe(2);
    expect(state.seen.size).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('forgives a last line that was torn anywhere, and goes on after it', async () => {
    const { store } = await opened();
    await store.commit([put(message(1))]);
    const whole = (await stat(file)).size;
    await store.commit([put(message(2))]);
    await store.close();
    const bytes = await readFile(file);

    for (const end of [whole + 1, whole + 20, bytes.length - 1]) {
      await writeFile(file, bytes);
      await truncate(file, end);
      const { store: again } = await opened();
      expect(await texts(again)).toEqual(['text 1']);
      await again.commit([put(message(3))]);
      await again.close();
      const { store: third } = await opened();
      expect(await texts(third)).toEqual(['text 1', 'text 3']);
      await third.close();
    }
  });

  it('begins anew where even the first line was torn', async () => {
    await writeFile(file, 'abc');
    const { store } = await opened();
    await store.commit([put(message(1))]);

    expect(await texts(store)).toEqual(['text 1']);
  });

  it('refuses damage in the middle, and changes nothing', async () => {
    const { store } = await opened();
    await store.commit([put(message(1))]);
    await store.commit([put(message(2))]);
    await store.close();
    const bytes = await readFile(file);
    const at = bytes.indexOf('text 1');
    bytes[at] = 0x54;
    await writeFile(file, bytes);

    await expect(new FileMessageStore(folder).load()).rejects.toMatchObject({
      code: 'EDGE_MESSAGES_CORRUPTED',
    });
    expect((await readFile(file)).equals(bytes)).toBe(true);
  });

  it('refuses another file and a newer version', async () => {
    await writeFile(file, 'something else\nentirely\n');
    await expect(new FileMessageStore(folder).load()).rejects.toMatchObject({
      code: 'EDGE_MESSAGES_CORRUPTED',
    });

    // The digest of exactly this header.
    await writeFile(file, `${digestLine({ format: 'parley-messages', version: 2 })}\n`);
    await appendFile(file, `${digestLine([])}\n`);
    await expect(new FileMessageStore(folder).load()).rejects.toMatchObject({ code: 'EDGE_MESSAGES_NEWER' });
  });

  it('writes itself anew when most of it is outdated, and loses nothing by it', async () => {
    const { store } = await opened({ compactionSlack: 20 });
    for (let round = 0; round < 40; round += 1) {
      const state = round % 2 === 0 ? 'arrived' : 'done';
      await store.commit([
        put(message(1, { state })),
        put(message(2)),
        { table: 'positions', key: 'mailbox', value: round },
      ]);
    }
    const reads = Promise.all([texts(store), store.commit([put(message(3))])]);

    expect((await reads)[0]).toEqual(['text 1', 'text 2']);
    expect((await readFile(file, 'utf8')).trimEnd().split('\n').length).toBeLessThan(20);
    await store.close();
    const { store: again, state } = await opened();
    expect(await texts(again)).toEqual(['text 1', 'text 2', 'text 3']);
    expect(state.positions.get('mailbox')).toBe(39);
  });

  it('syncs once for all commits that wait, and confirms none before', async () => {
    const { store } = await opened();
    const syncs = await spyOnSyncs(file);
    try {
      await Promise.all(Array.from({ length: 100 }, (_, at) => store.commit([put(message(at))])));

      // One for what came in the first turn, one for what came during it.
      expect(syncs).toHaveBeenCalledTimes(1);
      let hasConfirmed = false;
      const confirmed = store.commit([put(message(100))]).then(() => {
        hasConfirmed = true;
      });
      const [durable] = await Promise.all([
        new Promise<boolean>((resolve) => {
          syncs.mockImplementationOnce(() => {
            resolve(!hasConfirmed);
            return Promise.resolve();
          });
        }),
        confirmed,
      ]);
      expect(durable).toBe(true);
      expect(await texts(store, 200)).toHaveLength(101);
    } finally {
      syncs.mockRestore();
    }
  });

  it('has the newest value of every message, also of those that it does not hold in memory', async () => {
    const { store } = await opened();
    const commitAll = (values: readonly StoredMessage[]) =>
      Promise.all(values.map((value) => store.commit([put(value)])));
    const all = Array.from({ length: 400 }, (_, at) => numbered(at));
    await commitAll(all);
    await commitAll([numbered(3, { state: 'done' }), numbered(399, { state: 'done' })]);
    await commitAll(all.slice(5, 395).map((one) => ({ ...one, isRead: true })));

    expect((await store.find(keyOfMessage(numbered(3))))?.state).toBe('done');
    expect((await store.find(keyOfMessage(numbered(4))))?.isRead).toBe(false);
    expect((await store.find(keyOfMessage(numbered(10))))?.isRead).toBe(true);
    expect((await store.find(keyOfMessage(numbered(394))))?.isRead).toBe(true);
    expect((await store.find(keyOfMessage(numbered(399))))?.state).toBe('done');
  });

  it('says so when it cannot be opened, and after it was closed', async () => {
    await expect(new FileMessageStore(join(folder, 'missing')).load()).rejects.toMatchObject({
      code: 'EDGE_MESSAGES_UNUSABLE',
    });
    const { store } = await opened();
    await store.close();

    await expect(store.commit([put(message(1))])).rejects.toMatchObject({ code: 'EDGE_CLIENT_CLOSED' });
  });
});

/** `datasync` of all open files. */
async function spyOnSyncs(path: string) {
  const handle = await openFile(path, 'r');
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  return jest.spyOn(prototype, 'datasync');
}

function digestLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${createHash('sha256').update(json).digest('hex').slice(0, 16)} ${json}`;
}
