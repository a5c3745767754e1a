import { readSync } from 'node:fs';

const CHUNK_BYTES = 4_096;

/** Commands on standard input, one JSON value per line, for a program that waits in a system call of its own. */
export class ControlInput<Command> {
  readonly descriptor = process.stdin.fd;
  readonly #room = Buffer.alloc(CHUNK_BYTES);
  #rest = '';

  /** What has come, once the descriptor is readable; undefined when whoever sends commands is gone. */
  read(): readonly Command[] | undefined {
    const length = readSync(this.descriptor, this.#room);
    if (length === 0) return undefined;
    const lines = (this.#rest + this.#room.toString('utf8', 0, length)).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map((line) => JSON.parse(line) as Command);
  }
}
