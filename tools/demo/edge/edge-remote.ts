import type { ChildProcess } from 'node:child_process';
import type { EdgeCommandName, EdgeCommands, EdgeReply } from './edge-messages.ts';

export class EdgeProcessError extends Error {
  override readonly name = 'EdgeProcessError';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: EdgeProcessError) => void;
}

/** The demo's handle on one edge process. */
export class EdgeRemote {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(
    readonly name: string,
    child: ChildProcess,
  ) {
    this.#child = child;
    child.on('message', (reply: EdgeReply) => this.#settle(reply));
    child.on('exit', (code, signal) => {
      const how = `${name}: the process ended (${signal ?? code ?? 'unknown'})`;
      for (const { reject } of this.#waiting.values()) reject(new EdgeProcessError('PROCESS_ENDED', how));
      this.#waiting.clear();
    });
  }

  /** @throws EdgeProcessError with the code that the edge process met */
  run<Name extends EdgeCommandName>(
    command: Name,
    params: EdgeCommands[Name]['params'],
  ): Promise<EdgeCommands[Name]['result']> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as EdgeCommands[Name]['result']), reject });
      this.#child.send({ id, command, params }, (error) => {
        if (!error) return;
        this.#waiting.delete(id);
        reject(new EdgeProcessError('PROCESS_ENDED', `${this.name}: ${error.message}`));
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  #settle(reply: EdgeReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.result);
    else waiting?.reject(new EdgeProcessError(reply.code, `${this.name}: ${reply.code}: ${reply.message}`));
  }
}
