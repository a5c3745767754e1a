import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@parley/nat/testing';
import { ClusterError } from './errors.ts';
import { endProcess, hasEnded, type ProcessGroup } from './process-group.ts';
import { ServerLog } from './server-log.ts';
import { LOOPBACK } from './waiting.ts';

const START_MS = 60_000;
/** One that stands still takes connections and never answers. */
const ANSWER_MS = 1_000;
/** One for all supernodes of a cluster: the key is a row of their database. */
const ADMIN_KEY = randomBytes(32).toString('base64url');
const MAIN = join(
  dirname(createRequire(import.meta.url).resolve('@parley/supernode/package.json')),
  'dist/main.js',
);

export interface SupernodeSettings {
  readonly nodeId: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One supernode of a cluster, as an operator would run it: its name and addresses stay when it is started again. */
export class SupernodeNode {
  readonly nodeId: string;
  readonly #group: ProcessGroup;
  readonly #settings: SupernodeSettings;
  readonly #ports: readonly [edge: number, admin: number];
  readonly #log: ServerLog;
  #child: ChildProcess | undefined;
  #stun: string | undefined;

  private constructor(group: ProcessGroup, settings: SupernodeSettings, ports: readonly [number, number]) {
    this.nodeId = settings.nodeId;
    this.#group = group;
    this.#settings = settings;
    this.#ports = ports;
    this.#log = new ServerLog(join(group.folder, `${settings.nodeId}.log`));
  }

  /** Does not start it yet. */
  static async create(group: ProcessGroup, settings: SupernodeSettings): Promise<SupernodeNode> {
    return new SupernodeNode(group, settings, [await freePort(), await freePort()]);
  }

  /** Of the edge gateway. */
  get url(): string {
    return `http://${LOOPBACK}:${this.#ports[0]}`;
  }

  /** `address:port` of its STUN and TURN server, since its latest start. */
  get stun(): string {
    if (this.#stun === undefined) throw new TypeError(`${this.nodeId} has not said where its STUN server is`);
    return this.#stun;
  }

  get pid(): number {
    return this.#child?.pid ?? Number.NaN;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && !hasEnded(this.#child);
  }

  /** @throws ClusterError START_FAILED */
  async start(): Promise<void> {
    const output = await this.#log.append();
    const child = this.#group.spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', output.fd],
      env: this.#environment(),
    });
    await output.close();
    this.#child = child;
    await this.#ready(child);
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.#child) await endProcess(this.#child, 'SIGKILL');
  }

  /** As an operator stops it: it drains. Resolves with its exit code. */
  terminate(): Promise<number | null> {
    return this.#child ? endProcess(this.#child, 'SIGTERM') : Promise.resolve(null);
  }

  /** Stops the clock of the process: it neither works nor answers, and its connections stay. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Lets it go on where it was. */
  proceed(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Whether this run of it answers, and may do everything for its slots. */
  async isActing(incarnation: number): Promise<boolean> {
    try {
      const response = await fetch(new URL('/cluster/identity', this.url), {
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const identity = (await response.json()) as { readonly incarnation: number };
      if (identity.incarnation !== incarnation) return false;
      return (await this.metric('parley_cluster_standing', { standing: 'acting' })) === 1;
    } catch {
      return false; // it does not run, or stands still
    }
  }

  /** What the admin API says. */
  async admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> {
    const response = await this.#fetchAdmin(path, method);
    if (!response.ok) throw new ClusterError('START_FAILED', `${path}: ${response.status}`);
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  }

  /** A metric of the given name and labels, added up over all others; 0 where there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await this.#fetchAdmin('/metrics')).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const [, found, given = '', value] = /^(\w+)(?:\{([^}]*)\})? (\S+)$/.exec(line) ?? [];
      const fits = Object.entries(labels).every(([label, wanted]) => given.includes(`${label}="${wanted}"`));
      if (found === name && fits) sum += Number(value);
    }
    return sum;
  }

  /** The end of what it logged, over all its starts. */
  logTail(): Promise<string> {
    return this.#log.tail();
  }

  log(): Promise<string> {
    return this.#log.text();
  }

  #fetchAdmin(path: string, method = 'GET'): Promise<Response> {
    const url = new URL(path, `http://${LOOPBACK}:${this.#ports[1]}`);
    return fetch(url, { method, headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  }

  #environment(): NodeJS.ProcessEnv {
    const [edge, admin] = this.#ports;
    return {
      ...process.env,
      REDIS_URL: this.#settings.redisUrl,
      DATABASE_URL: this.#settings.databaseUrl,
      SUPERNODE_NODE_ID: this.nodeId,
      SUPERNODE_HOST: LOOPBACK,
      SUPERNODE_EDGE_PORT: String(edge),
      SUPERNODE_ADMIN_PORT: String(admin),
      SUPERNODE_ADMIN_KEY: ADMIN_KEY,
      SUPERNODE_STUN_PORT: '0',
      SUPERNODE_STUN_ALT_PORT: '0',
      // Relayed peers on loopback are refused unless a lab asks for them.
      SUPERNODE_RELAY_ALLOW_PEERS: '127.0.0.0/8',
      SUPERNODE_PUZZLE_BITS: '0',
      SUPERNODE_LOG_LEVEL: 'info',
      ...this.#settings.env,
    };
  }

  async #ready(child: ChildProcess): Promise<void> {
    const { stdout } = child;
    if (!stdout) throw new TypeError('the process has no pipe');
    const lines = createInterface(stdout);
    const outcome = await new Promise<'ready' | 'ended' | 'late'>((resolve) => {
      const timer = setTimeout(() => resolve('late'), START_MS);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve('ended');
      });
      lines.on('line', (line) => {
        if (!line.startsWith('{"event":"ready"')) return;
        clearTimeout(timer);
        this.#stun = (JSON.parse(line) as { stun: string | null }).stun ?? undefined;
        resolve('ready');
      });
    });
    if (outcome === 'ready') return;
    await endProcess(child, 'SIGKILL');
    throw new ClusterError('START_FAILED', `${this.nodeId} ${outcome}:\n${await this.logTail()}`);
  }
}
