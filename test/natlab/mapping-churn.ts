import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { DISCARD_PORT } from './counter-rules.ts';
import { LabError } from './errors.ts';
import type { Lab } from './lab.ts';
import { programPath } from './program-path.ts';

const DEFAULT_MOST = 100_000;

export interface MappingChurnOptions {
  /** New mappings per second, each from a socket of its own. */
  readonly perSecond: number;
  /** It ends by itself after so many. @default 100000 */
  readonly most?: number;
}

/** A machine that opens mappings on its NAT at a steady rate, towards a port of the server that discards what comes. */
export class MappingChurn {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(
    lab: Lab,
    host: string,
    { perSecond, most = DEFAULT_MOST }: MappingChurnOptions,
  ): MappingChurn {
    const args = [
      programPath('mapping-churn-process'),
      lab.server.addresses[1],
      String(DISCARD_PORT),
      String(perSecond),
      String(most),
    ];
    return new MappingChurn(lab.spawn(host, process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  /** Ends it; how many mappings it opened. */
  async stop(): Promise<number> {
    if (this.#child.stdout === null) throw new LabError('LAB_COMMAND_FAILED', 'it has no output');
    const said = once(this.#child.stdout, 'data') as Promise<[Buffer]>;
    this.#child.stdin?.end();
    const [line] = await said;
    return Number(line.toString());
  }
}
