import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LinkImpairment } from './delay-line.ts';
import { LabError } from './errors.ts';
import type { NamespaceHolder } from './namespace-holder.ts';
import { DISTANCE_DEVICE } from './setup-script.ts';

/** The compiled program, also when the lab itself runs from its sources. */
const PROGRAM = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../dist/natlab/link-process.js' : './link-process.js',
    import.meta.url,
  ),
);

/** The running process that delays and loses what crosses the lab's internet. */
export class ImpairedInternet {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
  }

  /** @throws LabError `LAB_SETUP_FAILED` */
  static async start(holder: NamespaceHolder, impairment: LinkImpairment): Promise<ImpairedInternet> {
    const args = [PROGRAM, DISTANCE_DEVICE, JSON.stringify(impairment)];
    const child = holder.spawnInInternet(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const internet = new ImpairedInternet(child);
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const ready = child.stdout ? once(child.stdout, 'data').then(() => true) : false;
    if (await Promise.race([ready, internet.#ended.then(() => false)])) return internet;
    throw new LabError('LAB_SETUP_FAILED', `links with a delay could not be made: ${complaint.trim()}`);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
