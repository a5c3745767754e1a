import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { edgeError, EdgeClientError } from '../errors.ts';
import { isMissing } from './file-errors.ts';
import { lockFolder, type ReleaseLock } from './folder-lock.ts';
import { decodeDocument, encodeDocument, type DocumentName, type DocumentOf } from './identity-format.ts';
import type { IdentityStore } from './identity-store.ts';
import { syncFolder } from './sync-folder.ts';

/** An {@link IdentityStore} in a folder: 0700, files 0600, replaced atomically, locked against a second process. */
export class IdentityFolder implements IdentityStore {
  readonly #path: string;
  readonly #release: ReleaseLock;
  /** Saves run one after the other, so that the last call wins. */
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, release: ReleaseLock) {
    this.#path = path;
    this.#release = release;
  }

  /** @throws EDGE_IDENTITY_LOCKED, EDGE_IDENTITY_UNUSABLE */
  static async open(path: string): Promise<IdentityFolder> {
    return usable(async () => {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await chmod(path, 0o700);
      const real = await realpath(path);
      return new IdentityFolder(real, await lockFolder(join(real, 'lock')));
    });
  }

  async load<Name extends DocumentName>(name: Name): Promise<DocumentOf<Name> | undefined> {
    const text = await usable(() => this.#read(name));
    return text === undefined ? undefined : decodeDocument(name, text);
  }

  async save<Name extends DocumentName>(name: Name, document: DocumentOf<Name>): Promise<void> {
    const text = encodeDocument(name, document);
    const saved = this.#saving.then(() => usable(() => this.#replace(name, text)));
    this.#saving = saved.catch(() => undefined); // the failure belongs to this save's caller
    return saved;
  }

  async close(): Promise<void> {
    await this.#saving;
    await this.#release();
  }

  async #read(name: DocumentName): Promise<string | undefined> {
    try {
      return await readFile(this.#file(name), 'utf8');
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
  }

  async #replace(name: DocumentName, text: string): Promise<void> {
    const draft = `${this.#file(name)}.${randomBytes(6).toString('hex')}`;
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.#file(name));
    } catch (thrown) {
      await rm(draft, { force: true });
      throw thrown;
    }
    await syncFolder(this.#path);
  }

  #file(name: DocumentName): string {
    return join(this.#path, `${name}.json`);
  }
}

async function usable<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (thrown) {
    if (thrown instanceof EdgeClientError) throw thrown;
    throw edgeError('EDGE_IDENTITY_UNUSABLE', { cause: thrown });
  }
}
