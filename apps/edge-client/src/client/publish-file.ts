import { link, open, rename, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { edgeError } from '../errors.ts';

const MAX_SAME_NAMES = 1000;

/** What file systems without hard links (FAT, exFAT, some network shares, Android) answer to a link. */
const NO_LINKS: ReadonlySet<string> = new Set([
  'EPERM',
  'EACCES',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EINVAL',
]);

/** Makes a second name for a file; fails with EEXIST where that name is taken. */
export type MakeLink = (existing: string, name: string) => Promise<void>;

/**
 * Gives a whole file its name, or the same with a number: an existing file is never overwritten. Returns the path. The draft
 * may still be there afterwards.
 *
 * @throws EDGE_FILE_UNREADABLE
 */
export async function publishFile(
  draft: string,
  into: string,
  name: string,
  makeLink: MakeLink = link,
): Promise<string> {
  const extension = extname(name);
  const stem = name.slice(0, name.length - extension.length);
  for (let number = 0; number < MAX_SAME_NAMES; number += 1) {
    const path = join(into, number === 0 ? name : `${stem} (${String(number)})${extension}`);
    try {
      await take(draft, path, makeLink);
      return path;
    } catch (thrown) {
      if (codeOf(thrown) !== 'EEXIST') throw edgeError('EDGE_FILE_UNREADABLE', { cause: thrown });
    }
  }
  throw edgeError('EDGE_FILE_UNREADABLE', { message: 'Too many files have this name.' });
}

/** A link fails where a rename would overwrite. Without links, an empty file of our own is what the rename overwrites. */
async function take(draft: string, path: string, makeLink: MakeLink): Promise<void> {
  try {
    await makeLink(draft, path);
  } catch (thrown) {
    if (!NO_LINKS.has(codeOf(thrown) ?? '')) throw thrown;
    const reserved = await open(path, 'wx', 0o600);
    await reserved.close();
    try {
      await rename(draft, path);
    } catch (cause) {
      await rm(path, { force: true });
      throw cause;
    }
  }
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException | undefined)?.code;
}
