import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { labAvailability, type Privilege } from './availability.ts';
import { isUserSpace } from './behaviour.ts';
import { combineCounters, type LabCounters } from './counters.ts';
import type { Impairment } from './delay-line.ts';
import { DeviceProgram } from './device-program.ts';
import { LabError } from './errors.ts';
import { DISTANCE_DEVICE } from './internet-script.ts';
import { MappingChurn, type MappingChurnOptions } from './mapping-churn.ts';
import { NamespaceHolder } from './namespace-holder.ts';
import { changedNatRules } from './nat-rules.ts';
import { placesOf } from './places.ts';
import { programPath } from './program-path.ts';
import { moveScript, setupScript, USER_SPACE_DEVICE } from './setup-script.ts';
import {
  type CarrierOptions,
  guestOf,
  hostsOf,
  type LabClient,
  type LabSide,
  planTopology,
  type SideOptions,
  type Topology,
} from './topology.ts';
import { tunUnavailable } from './tun-availability.ts';

/** What to build. */
export interface LabOptions {
  /** The sites, each behind a NAT of its own; they are called `a`, `b`, … in this order. */
  readonly sides: readonly SideOptions[];
  /** The carriers that sides name, each with a NAT in front of its customers' NATs. */
  readonly carriers?: Readonly<Record<string, CarrierOptions>>;
  /** How long a packet takes from one machine on the internet to another, one way. @default 0 */
  readonly linkDelayMs?: number;
  /** Share of the packets between two machines on the internet that get lost, 0 to 1. @default 0 */
  readonly loss?: number;
  /** Which packets get lost: the same seed, the same pattern. @default 1 */
  readonly lossSeed?: number;
  /** Makes links whose delay and loss {@link Lab.impair} can change, also where they begin with none. @default false */
  readonly adjustableLinks?: boolean;
  /** How to get the namespaces. @default what {@link labAvailability} found */
  readonly privilege?: Privilege;
}

/** Random ports of a program that translates; any will do, and a test can be repeated. */
const USER_SPACE_SEED = 4787;

/** A running internet in a box: one server, and clients behind real kernel NATs. */
export class Lab {
  readonly server: Topology['server'];
  readonly sides: readonly LabSide[];
  readonly #topology: Topology;
  readonly #hosts: ReadonlySet<string>;
  readonly #holder: NamespaceHolder;
  #distance: DeviceProgram | undefined;
  /** By router. */
  readonly #translators = new Map<string, DeviceProgram>();
  /** Where machines are that moved. */
  readonly #moved = new Map<string, LabSide>();
  #moves = 0;
  /** How often each side forgot its mappings. */
  readonly #generations = new Map<string, number>();

  private constructor(topology: Topology, holder: NamespaceHolder) {
    this.server = topology.server;
    this.sides = topology.sides;
    this.#topology = topology;
    this.#hosts = new Set(hostsOf(topology));
    this.#holder = holder;
  }

  /**
   * Builds the lab.
   * @throws LabError `LAB_UNAVAILABLE` where {@link labAvailability} says so, `LAB_SETUP_FAILED` when a rule is refused
   */
  static async create(options: LabOptions): Promise<Lab> {
    const { sides, carriers, privilege, linkDelayMs = 0, loss = 0, lossSeed = 1 } = options;
    const availability = labAvailability();
    if (availability.kind === 'unavailable') throw new LabError('LAB_UNAVAILABLE', availability.reason);
    const everywhere = checked({ delayMs: linkDelayMs, loss });
    const hasDistance = options.adjustableLinks === true || linkDelayMs > 0 || loss > 0;
    if (hasDistance) requireTun('links with a delay or with loss need');
    if (sides.some(({ behaviour }) => isUserSpace(behaviour))) requireTun('a NAT in user space needs');
    const topology = planTopology(sides, carriers);
    const holder = await NamespaceHolder.start(privilege ?? availability.privilege);
    try {
      await holder.runScript(setupScript(topology, hasDistance ? 'routed-through-distance' : 'bridged'));
      const lab = new Lab(topology, holder);
      if (hasDistance) {
        const distances = { everywhere, seed: lossSeed, places: placesOf(topology) };
        lab.#distance = await DeviceProgram.start(holder, {
          program: 'link-process',
          device: DISTANCE_DEVICE,
          options: distances,
        });
      }
      await lab.#startTranslators();
      return lab;
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
    this.#mustBeHost(host);
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

  /** The server's part of {@link counters}, which is one listing in place of one per router. */
  async serverTraffic(): Promise<LabCounters['server']> {
    const listing = await this.#holder.administer(this.server.host, 'nft', ['list', 'counters']);
    return combineCounters(listing, []).server;
  }

  /**
   * Moves a client to another side while its programs run, as from Wi-Fi to a mobile network: its old addresses are gone, and the
   * new ones are in the answer.
   * @throws LabError `LAB_UNKNOWN_HOST`
   */
  async move(host: string, sideName: string): Promise<LabClient> {
    const home = this.sides.find(({ clients }) => clients.some((client) => client.host === host));
    const from = this.#moved.get(host) ?? home;
    if (from === undefined) throw new LabError('LAB_UNKNOWN_HOST', `${host} is no client`);
    const to = this.#side(sideName);
    this.#moves += 1;
    const guest = guestOf(to, host, this.#moves);
    await this.#holder.runScript(moveScript(guest, from, to));
    this.#moved.set(host, to);
    return guest;
  }

  /**
   * Makes the NAT of a side forget its mappings and give out other ports from then on, as after a restart; a carrier's NAT in
   * front of it stays as it is.
   * @throws LabError `LAB_COMMAND_FAILED` where there is no NAT
   */
  async rebind(sideName: string): Promise<void> {
    const { behaviour, router, wanAddress: wan, openWan } = this.#side(sideName);
    if (behaviour === 'none') throw new LabError('LAB_COMMAND_FAILED', `${sideName} has no NAT`);
    const translator = this.#translators.get(router);
    if (translator !== undefined) return translator.command('forget');
    const generation = (this.#generations.get(sideName) ?? 0) + 1;
    this.#generations.set(sideName, generation);
    const rules = changedNatRules({ behaviour, wan, openWan, generation });
    await this.#holder.administer(router, 'nft', ['-f', '-'], rules);
    await this.#forgetConnections(router);
  }

  /**
   * Makes the NAT of a side forget its mappings, as after a long time without traffic: a socket on a port that another one had
   * gets a mapping of its own. Which ports are given stays as it was.
   */
  async forgetMappings(sideName: string): Promise<void> {
    const { router } = this.#side(sideName);
    const translator = this.#translators.get(router);
    await (translator === undefined ? this.#forgetConnections(router) : translator.command('forget'));
  }

  /**
   * Adds a delay and loss to everything that goes to or comes from one place on the internet: a side, a carrier with all its
   * customers, or `srv`; replaces what an earlier call added there.
   * @throws LabError `LAB_COMMAND_FAILED` in a lab without adjustable links, `LAB_UNKNOWN_HOST`
   */
  async impair(place: string, impairment: Impairment): Promise<void> {
    if (this.#distance === undefined) {
      throw new LabError('LAB_COMMAND_FAILED', 'the links of this lab were not made adjustable');
    }
    if (!Object.values(placesOf(this.#topology)).includes(place)) {
      throw new LabError('LAB_UNKNOWN_HOST', `there is no place ${place} on the internet`);
    }
    await this.#distance.command({ place, ...checked(impairment) });
  }

  /** Opens mappings from a machine, so that others behind the same NAT no longer have it for themselves. */
  openMappings(host: string, options: MappingChurnOptions): MappingChurn {
    this.#mustBeHost(host);
    return MappingChurn.start(this, host, options);
  }

  /** Kills what still runs inside and removes the lab; nothing of it is left. */
  async close(): Promise<void> {
    const programs = [...(this.#distance ? [this.#distance] : []), ...this.#translators.values()];
    await Promise.all(programs.map((program) => program.stop()));
    await this.#holder.close();
  }

  async #forgetConnections(router: string): Promise<void> {
    await this.#holder.administer(router, process.execPath, [programPath('flush-process')]);
  }

  #side(name: string): LabSide {
    const side = this.sides.find((candidate) => candidate.name === name);
    if (side === undefined) throw new LabError('LAB_UNKNOWN_HOST', `there is no side ${name}`);
    return side;
  }

  #mustBeHost(host: string): void {
    if (this.#hosts.has(host)) return;
    throw new LabError('LAB_UNKNOWN_HOST', `there is no host ${host}, only ${[...this.#hosts].join(', ')}`);
  }

  async #startTranslators(): Promise<void> {
    const sides = this.sides.filter(({ behaviour }) => isUserSpace(behaviour));
    const started = sides.map(async ({ router, wanAddress, mappingLifetimeSeconds }, index) => {
      const program = await DeviceProgram.start(this.#holder, {
        program: 'nat-process',
        host: router,
        device: USER_SPACE_DEVICE,
        options: {
          external: wanAddress,
          behaviour: {
            mapping: 'address-dependent',
            filtering: 'address-and-port-dependent',
            allocation: 'random',
            ...(mappingLifetimeSeconds === undefined
              ? {}
              : { mappingLifetimeMs: mappingLifetimeSeconds * 1_000 }),
          },
          seed: USER_SPACE_SEED + index,
        },
      });
      this.#translators.set(router, program);
    });
    await Promise.all(started);
  }
}

function checked(impairment: Impairment): Impairment {
  const { delayMs, loss } = impairment;
  if (delayMs >= 0 && loss >= 0 && loss <= 1) return impairment;
  throw new LabError('LAB_SETUP_FAILED', 'a delay is not negative, and a share of loss is from 0 to 1');
}

function requireTun(what: string): void {
  const reason = tunUnavailable();
  if (reason !== undefined)
    throw new LabError('LAB_UNAVAILABLE', `${what} a network device for a program: ${reason}`);
}

/** Builds a lab; see {@link Lab.create}. */
export async function createLab(options: LabOptions): Promise<Lab> {
  return Lab.create(options);
}
