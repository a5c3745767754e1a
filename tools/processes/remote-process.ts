import type { ChildProcess } from 'node:child_process';
import type { CommandReply, CommandsOf } from './command-messages.ts';

export class RemoteProcessError extends Error {
  override readonly name = 'RemoteProcessError';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: RemoteProcessError) => void;
}

/** A handle on a process that carries out `Commands`, see `serveCommands`. */
export class RemoteProcess<Commands extends CommandsOf<Commands>> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(
    readonly name: string,
    child: ChildProcess,
  ) {
    this.#child = child;
    child.on('message', (reply: CommandReply) => this.#settle(reply));
    child.on('exit', (code, signal) => {
      const how = `${name}: the process ended (${signal ?? code ?? 'unknown'})`;
      for (const { reject } of this.#waiting.values()) reject(new RemoteProcessError('PROCESS_ENDED', how));
      this.#waiting.clear();
    });
  }

  /** @throws RemoteProcessError with the code that the process met */
  run<Name extends keyof Commands & string>(
    command: Name,
    params: Commands[Name]['params'],
  ): Promise<Commands[Name]['result']> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result), reject });
      this.#child.send({ id, command, params }, (error) => {
        if (!error) return;
        this.#waiting.delete(id);
        reject(new RemoteProcessError('PROCESS_ENDED', `${this.name}: ${error.message}`));
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  #settle(reply: CommandReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.result);
    else waiting?.reject(new RemoteProcessError(reply.code, `${this.name}: ${reply.code}: ${reply.message}`));
  }
}
