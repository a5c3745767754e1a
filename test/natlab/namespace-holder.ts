import {
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
  type SpawnOptions,
  spawn,
} from 'node:child_process';
import { once } from 'node:events';
import { administer, administrationEnvironment } from './administration.ts';
import { type Privilege, unshareOptions } from './availability.ts';
import { LabError } from './errors.ts';

/**
 * Keeps the namespaces alive. Their names live in a private `/run`, so two labs never meet and nothing is left on the
 * machine. The holder ends when its standard input does, that is also when its owner is killed; it then kills
 * whatever still runs inside, and the kernel takes the namespaces with the last process.
 */
const HOLDER = `
trap '' HUP INT TERM
mount -t tmpfs -o mode=755 natlab /run
mkdir /run/netns
echo ready
cat > /dev/null
for name in $(ls /run/netns); do
  for pid in $(ip netns pids "$name"); do kill -KILL "$pid"; done
done
`;

/** A process that owns the lab's namespaces for as long as this process lives. */
export class NamespaceHolder {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #privilege: Privilege;
  readonly #ended: Promise<unknown>;

  private constructor(process: ChildProcessWithoutNullStreams, privilege: Privilege) {
    this.#process = process;
    this.#privilege = privilege;
    this.#ended = once(process, 'close');
  }

  /** Starts a holder with a network namespace of its own, which plays the internet, and an empty `/run/netns`. */
  static async start(privilege: Privilege): Promise<NamespaceHolder> {
    const child = spawn('unshare', [...unshareOptions(privilege), 'sh', '-euc', HOLDER], {
      env: administrationEnvironment(),
      stdio: 'pipe',
    });
    const holder = new NamespaceHolder(child, privilege);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ready = once(child.stdout, 'data').then(() => true);
    if (await Promise.race([ready, holder.#ended.then(() => false)])) return holder;
    throw new LabError('LAB_SETUP_FAILED', `the namespaces could not be made: ${stderr.trim()}`);
  }

  get #pid(): string {
    const { pid } = this.#process;
    if (pid === undefined || this.#process.exitCode !== null)
      throw new LabError('LAB_CLOSED', 'the lab is closed');
    return String(pid);
  }

  /** Entering a user namespace keeps the caller's credentials, which are root's there. */
  get #userNamespace(): string[] {
    return this.#privilege === 'root' ? [] : ['--user', '--preserve-credentials'];
  }

  #enter(host: string): string[] {
    return ['--target', this.#pid, ...this.#userNamespace, `--net=/proc/${this.#pid}/root/run/netns/${host}`];
  }

  #enterInternet(): string[] {
    return ['--target', this.#pid, ...this.#userNamespace, '--net'];
  }

  /** Runs a shell script in the namespace that plays the internet, with the lab's private `/run`. */
  async runScript(script: string): Promise<void> {
    await administer('nsenter', [...this.#enterInternet(), '--mount', 'sh', '-eu'], { input: script });
  }

  /** Runs an administration tool in the network namespace of `host`, gives it `input`, and returns what it printed. */
  async administer(host: string, command: string, args: readonly string[], input?: string): Promise<string> {
    const given = input === undefined ? {} : { input };
    return administer('nsenter', [...this.#enter(host), command, ...args], given);
  }

  /**
   * Starts a program in the network namespace of `host`; only its network differs from this process's. It replaces
   * the programs that bring it there, so its pid, signals and exit code are its own, and the kernel kills it when
   * this process dies.
   */
  spawn(host: string, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawnInside(this.#enter(host), command, args, options);
  }

  /** Like {@link spawn}, in the namespace that plays the internet. Whoever calls it ends the program. */
  spawnInInternet(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawnInside(this.#enterInternet(), command, args, options);
  }

  /** Ends everything inside and the namespaces with it. */
  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }
}

function spawnInside(
  enter: readonly string[],
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const wrapped = [...enter, 'setpriv', '--pdeathsig', 'KILL', command, ...args];
  return spawn('nsenter', wrapped, { ...options, shell: false });
}
