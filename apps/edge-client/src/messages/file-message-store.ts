import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ConversationId } from '@parley/protocol';
import { edgeError, EdgeClientError } from '../errors.ts';
import { deferred, type Deferred } from '../session/deferred.ts';
import { MessageIndex } from './message-index.ts';
import { encodeChanges, encodeHeader, readLine, readLog, type LinePlace } from './message-log.ts';
import {
  applyToWorkingState,
  emptyWorkingState,
  type HistoryQuery,
  type MessageStore,
  type StoreChange,
  type WorkingState,
  type WorkingTable,
} from './message-store.ts';
import { keyOfMessage, type MessageKey, type StoredMessage } from './stored-message.ts';
import { syncFolder } from '../identity/sync-folder.ts';

interface Commit {
  readonly changes: readonly StoreChange[];
  readonly done: Deferred<undefined>;
}

/** Changes beyond twice the living ones that a log may hold before it is written anew. */
const COMPACTION_SLACK = 2000;
const COMPACTION_BATCH = 64;
/** Messages kept in memory as well: most are read once or twice soon after they were written, to be changed. */
const MAX_RECENT = 256;

/**
 * A {@link MessageStore} in one append-only file (0600): commits that wait at the same time share one fsync. Memory holds an
 * index of the messages and the latest of them; the contents of others are read from the file when they are asked for.
 */
export class FileMessageStore implements MessageStore {
  readonly #path: string;
  #file: FileHandle | undefined;
  #size = 0;
  #state = emptyWorkingState();
  #index = new MessageIndex<LinePlace>();
  /** As they are in the file, the one written longest ago first. */
  readonly #recent = new Map<MessageKey, StoredMessage>();
  #changesInFile = 0;
  readonly #waiting: Commit[] = [];
  #flushing: Promise<void> | undefined;
  /** Set when the file may hold half a line that could not be taken back. */
  #broken: EdgeClientError | undefined;
  readonly #slack: number;

  /** `folder` must exist, and belong to this process alone. */
  constructor(folder: string, options: { readonly compactionSlack?: number } = {}) {
    this.#path = join(folder, 'messages.log');
    this.#slack = options.compactionSlack ?? COMPACTION_SLACK;
  }

  async load(): Promise<WorkingState> {
    await usable(async () => {
      const file = await open(this.#path, 'a+', 0o600).then(async (created) => {
        await created.close();
        return open(this.#path, 'r+');
      });
      this.#file = file;
      const end = await this.#read(file);
      if (end === 0) {
        const header = encodeHeader();
        await file.truncate(0);
        await writeAll(file, header, 0);
        await file.sync();
        await syncFolder(dirname(this.#path));
        this.#size = header.length;
      } else {
        await file.truncate(end);
        this.#size = end;
      }
    });
    return structuredClone(this.#state);
  }

  commit(changes: readonly StoreChange[]): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    const done = deferred<undefined>();
    this.#waiting.push({ changes: structuredClone(changes), done });
    this.#flushing ??= this.#flush();
    return done.promise;
  }

  async find(key: MessageKey): Promise<StoredMessage | undefined> {
    return this.#index.has(key) ? this.#message(key) : undefined;
  }

  has(key: MessageKey): boolean {
    return this.#index.has(key);
  }

  history(conversation: ConversationId, query: HistoryQuery): Promise<readonly StoredMessage[]> {
    return this.#messages(this.#index.select(conversation, query));
  }

  inState(...states: readonly StoredMessage['state'][]): Promise<readonly StoredMessage[]> {
    return this.#messages([...this.#index.values()].filter(({ state }) => states.includes(state)));
  }

  async close(): Promise<void> {
    await this.#flushing;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #read(file: FileHandle): Promise<number> {
    const lines = readLog(file);
    for (;;) {
      const next = await lines.next();
      if (next.done) return next.value;
      this.#apply(next.value.changes, next.value);
    }
  }

  #apply(changes: readonly StoreChange[], { offset, length }: LinePlace): void {
    this.#changesInFile += changes.length;
    for (const change of changes) {
      if (change.table === 'messages') this.#index.put(change.value, { offset, length });
      else applyToWorkingState(this.#state, change);
    }
  }

  async #flush(): Promise<void> {
    // A turn later, so that commits of one moment share the fsync.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const commits = this.#waiting.splice(0);
      try {
        await this.#append(commits);
        for (const { done } of commits) done.resolve(undefined);
      } catch (thrown) {
        const error = unusable(thrown);
        for (const { done } of commits) done.reject(error);
        continue;
      }
      if (this.#isDueForCompaction()) await this.#compact();
    }
    this.#flushing = undefined;
  }

  async #append(commits: readonly Commit[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    const file = this.#requireFile();
    const lines = commits.map(({ changes }) => encodeChanges(changes));
    try {
      await writeAll(file, Buffer.concat(lines), this.#size);
      await file.datasync();
    } catch (thrown) {
      await file.truncate(this.#size).catch((cause: unknown) => {
        this.#broken = unusable(cause);
      });
      throw thrown;
    }
    for (const [at, { changes }] of commits.entries()) {
      const length = lines[at]?.length ?? 0;
      this.#apply(changes, { offset: this.#size, length });
      this.#size += length;
      for (const change of changes) if (change.table === 'messages') this.#noteRecent(change.value);
    }
  }

  #noteRecent(message: StoredMessage): void {
    const key = keyOfMessage(message);
    this.#recent.delete(key);
    this.#recent.set(key, message);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > MAX_RECENT && oldest) this.#recent.delete(oldest);
  }

  #isDueForCompaction(): boolean {
    const rows = Object.values(this.#state).reduce((sum, table) => sum + table.size, 0);
    return this.#changesInFile > 2 * (this.#index.size + rows) + this.#slack;
  }

  /** Writes what lives into a new file. When that fails the old one is as good as before, only longer. */
  async #compact(): Promise<void> {
    const draft = `${this.#path}.${randomBytes(6).toString('hex')}`;
    let fresh: FileHandle | undefined;
    try {
      fresh = await open(draft, 'wx+', 0o600);
      const copy = await this.#copyInto(fresh);
      await fresh.sync();
      await rename(draft, this.#path);
      const old = this.#file;
      this.#file = fresh;
      this.#index = copy.index;
      this.#size = copy.size;
      this.#changesInFile = copy.changes;
      await old?.close();
      await syncFolder(dirname(this.#path));
    } catch {
      if (this.#file !== fresh) await fresh?.close();
      await rm(draft, { force: true });
      // Not at every commit again, while the disk is full.
      this.#changesInFile = 0;
    }
  }

  async #copyInto(
    fresh: FileHandle,
  ): Promise<{ index: MessageIndex<LinePlace>; size: number; changes: number }> {
    const index = new MessageIndex<LinePlace>();
    const header = encodeHeader();
    await writeAll(fresh, header, 0);
    let size = header.length;
    let changes = 0;
    for await (const batch of this.#living()) {
      const line = encodeChanges(batch);
      await writeAll(fresh, line, size);
      for (const change of batch) {
        if (change.table === 'messages') index.put(change.value, { offset: size, length: line.length });
      }
      size += line.length;
      changes += batch.length;
    }
    return { index, size, changes };
  }

  async *#living(): AsyncGenerator<readonly StoreChange[]> {
    let batch: StoreChange[] = [];
    for (const { key } of this.#index.values()) {
      batch.push({ table: 'messages', value: await this.#message(key) });
      if (batch.length < COMPACTION_BATCH) continue;
      yield batch;
      batch = [];
    }
    for (const table of Object.keys(this.#state) as WorkingTable[]) {
      for (const [key, value] of this.#state[table]) batch.push({ table, key, value } as StoreChange);
    }
    if (batch.length > 0) yield batch;
  }

  async #messages(entries: readonly { readonly key: MessageKey }[]): Promise<readonly StoredMessage[]> {
    const messages: StoredMessage[] = [];
    for (const { key } of entries) messages.push(await this.#message(key));
    return messages;
  }

  async #message(key: MessageKey): Promise<StoredMessage> {
    const recent = this.#recent.get(key);
    if (recent) return recent;
    // Place and file are read in one turn: a compaction may change both between two.
    const changes = await usable(async () => {
      const place = this.#index.get(key)?.place;
      return place ? readLine(this.#requireFile(), place) : [];
    });
    for (const change of changes.toReversed()) {
      if (change.table === 'messages' && keyOfMessage(change.value) === key) return change.value;
    }
    throw edgeError('EDGE_MESSAGES_CORRUPTED');
  }

  #requireFile(): FileHandle {
    if (!this.#file) throw edgeError('EDGE_CLIENT_CLOSED');
    return this.#file;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

async function usable<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (thrown) {
    throw unusable(thrown);
  }
}

function unusable(thrown: unknown): EdgeClientError {
  return thrown instanceof EdgeClientError ? thrown : edgeError('EDGE_MESSAGES_UNUSABLE', { cause: thrown });
}
