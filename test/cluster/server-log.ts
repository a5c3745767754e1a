import { open, readFile, type FileHandle } from 'node:fs/promises';

const SHOWN_LINES = 30;

/** A file that a process writes its messages to, over all its starts. */
export class ServerLog {
  constructor(readonly file: string) {}

  /** For `stdio`; the caller closes it. */
  append(): Promise<FileHandle> {
    return open(this.file, 'a', 0o600);
  }

  async text(): Promise<string> {
    return readFile(this.file, 'utf8');
  }

  async tail(): Promise<string> {
    return (await this.text()).trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
  }
}
