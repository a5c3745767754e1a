import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { labAvailability, type Privilege } from './availability.ts';
import { combineCounters, type LabCounters } from './counters.ts';
import { LabError } from './errors.ts';
import { ImpairedInternet } from './impaired-internet.ts';
import { NamespaceHolder } from './namespace-holder.ts';
import { setupScript } from './setup-script.ts';
import { hostsOf, type LabSide, planTopology, type SideOptions, type Topology } from './topology.ts';
import { tunUnavailable } from './tun-availability.ts';

/** What to build. */
export interface LabOptions {
  /** The sites, each behind a NAT of its own; they are called `a`, `b`, … in this order. */
  readonly sides: readonly SideOptions[];
  /** How long a packet takes from one machine on the internet to another, one way. @default 0 */
  readonly linkDelayMs?: number;
  /** Share of the packets between two machines on the internet that get lost, 0 to 1. @default 0 */
  readonly loss?: number;
  /** Which packets get lost: the same seed, the same pattern. @default 1 */
  readonly lossSeed?: number;
  /** How to get the namespaces. @default what {@link labAvailability} found */
  readonly privilege?: Privilege;
}

/** A running internet in a box: one server, and clients behind real kernel NATs. */
export class Lab {
  readonly server: Topology['server'];
  readonly sides: readonly LabSide[];
  readonly #hosts: ReadonlySet<string>;
  readonly #holder: NamespaceHolder;
  readonly #internet: ImpairedInternet | undefined;

  private constructor(topology: Topology, holder: NamespaceHolder, internet: ImpairedInternet | undefined) {
    this.server = topology.server;
    this.sides = topology.sides;
    this.#hosts = new Set(hostsOf(topology));
    this.#holder = holder;
    this.#internet = internet;
  }

  /**
   * Builds the lab.
   * @throws LabError `LAB_UNAVAILABLE` where {@link labAvailability} says so, `LAB_SETUP_FAILED` when a rule is refused
   */
  static async create(options: LabOptions): Promise<Lab> {
    const { sides, privilege, linkDelayMs = 0, loss = 0, lossSeed = 1 } = options;
    const availability = labAvailability();
    if (availability.kind === 'unavailable') throw new LabError('LAB_UNAVAILABLE', availability.reason);
    if (linkDelayMs < 0 || loss < 0 || loss > 1) {
      throw new LabError('LAB_SETUP_FAILED', 'a delay is not negative, and a share of loss is from 0 to 1');
    }
    const isImpaired = linkDelayMs > 0 || loss > 0;
    if (isImpaired) requireTun();
    const topology = planTopology(sides);
    const holder = await NamespaceHolder.start(privilege ?? availability.privilege);
    try {
      await holder.runScript(setupScript(topology, isImpaired ? 'routed-through-distance' : 'bridged'));
      const impairment = { delayMs: linkDelayMs, loss, seed: lossSeed };
      const internet = isImpaired ? await ImpairedInternet.start(holder, impairment) : undefined;
      return new Lab(topology, holder, internet);
    } catch (cause) {
      await holder.close();
      throw new LabError('LAB_SETUP_FAILED', `the lab could not be set up: ${String(cause)}`, { cause });
    }
  }

  /**
   * Starts a program on a machine of the lab (`srv`, `a1`, `a2`, `b1`, …, or a router: `nat-a`, …). The child is an
   * ordinary one: its pid, signals, streams and exit code are the program's own.
   * @throws LabError `LAB_UNKNOWN_HOST`
   */
  spawn(
    host: string,
    command: string,
    args: readonly string[] = [],
    options: SpawnOptions = {},
  ): ChildProcess {
    if (!this.#hosts.has(host)) {
      throw new LabError('LAB_UNKNOWN_HOST', `there is no host ${host}, only ${[...this.#hosts].join(', ')}`);
    }
    return this.#holder.spawn(host, command, args, options);
  }

  /** What the kernel counted on the server's interface and on the routers, since the lab was made. */
  async counters(): Promise<LabCounters> {
    const list = (host: string): Promise<string> =>
      this.#holder.administer(host, 'nft', ['list', 'counters']);
    const [server, ...routers] = await Promise.all([
      list(this.server.host),
      ...this.sides.map(async ({ name, router }) => ({ side: name, listing: await list(router) })),
    ]);
    return combineCounters(server, routers);
  }

  /** Kills what still runs inside and removes the lab; nothing of it is left. */
  async close(): Promise<void> {
    await this.#internet?.stop();
    await this.#holder.close();
  }
}

function requireTun(): void {
  const reason = tunUnavailable();
  if (reason !== undefined)
    throw new LabError('LAB_UNAVAILABLE', `links with a delay or with loss need a TUN device: ${reason}`);
}

/** Builds a lab; see {@link Lab.create}. */
export async function createLab(options: LabOptions): Promise<Lab> {
  return Lab.create(options);
}
