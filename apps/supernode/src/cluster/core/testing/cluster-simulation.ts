/**
 * A whole cluster on a virtual clock: cores with clocks of their own, a lease store, a database, and a network between all of them
 * that delays, loses, doubles and cuts. One seed is one history, to the last step.
 */
import { SeededRandom, VirtualClock } from '@parley/nat/testing';
import type { NodeId } from '../../node-record.ts';
import type { ClusterInput, ClusterOutput } from '../cluster-io.ts';
import { DEFAULT_CLUSTER_SETTINGS, type ClusterSettings } from '../cluster-settings.ts';
import { ClusterInvariants } from './cluster-invariants.ts';
import { performed, settingsOfCores, type PlantedFault } from './planted-faults.ts';
import { drawCast, uniformCast, type CastMember } from './simulated-cast.ts';
import { SimulatedNode } from './simulated-node.ts';
import { SimulatedDatabase, SimulatedLeaseStore } from './simulated-stores.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly settings?: Partial<ClusterSettings>;
  readonly planted?: PlantedFault;
  /** Supernodes of different regions and roles, and relays that nobody reaches. */
  readonly isVaried?: boolean;
  /** Share of messages that are lost, and that arrive twice. */
  readonly loss?: number;
  readonly duplication?: number;
  /** Gets everything that happens and everything that the cores ask for, as it does. */
  readonly record?: (event: string) => void;
}

/** Few slots, since all histories are alike for each of them; waits of an election as short as a simulation. */
const SIMULATION_SETTINGS: ClusterSettings = {
  ...DEFAULT_CLUSTER_SETTINGS,
  slotCount: 16,
  minimumSeats: 3,
  promoteHeldMs: 4_000,
  demoteHeldMs: 6_000,
  minimumTenureMs: 8_000,
  promotionIntervalMs: 4_000,
  slowStartMs: 6_000,
  slowStartSteps: 3,
  databaseLossMs: 4_000,
};

export class ClusterSimulation {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly settings: ClusterSettings;
  readonly leases = new SimulatedLeaseStore();
  readonly database: SimulatedDatabase;
  readonly nodes = new Map<NodeId, SimulatedNode>();
  readonly ids: readonly NodeId[];
  /** Directed pairs `a>b` between which nothing passes; stores are called `leases` and `database`. */
  readonly cuts = new Set<string>();
  /** Those whose relay nobody reaches now. */
  readonly deaf: Set<NodeId>;
  readonly invariants: ClusterInvariants;
  /** Share of its connections that each supernode reports. */
  readonly loads = new Map<NodeId, number>();
  /** What happens to a supernode the next time that it asks the stores. */
  readonly whenAsking = new Map<NodeId, () => void>();
  isHealed = false;
  loss: number;
  duplication: number;
  /** By the name of a run: when the last lease to coordinate that it was given ends, by true time. */
  private readonly coordinatesUntil = new Map<string, number>();
  /** The latest run of each supernode. */
  private latest: readonly SimulatedNode[] = [];
  private readonly log: string[] = [];
  private readonly cast: ReadonlyMap<NodeId, CastMember>;
  /** Those that somebody reached at all their addresses, in any of their runs. */
  private readonly reached = new Set<NodeId>();

  constructor(private readonly options: SimulationOptions) {
    this.random = new SeededRandom(options.seed);
    this.settings = { ...SIMULATION_SETTINGS, ...options.settings };
    this.database = new SimulatedDatabase(options.planted !== 'roster is written without comparing epochs');
    this.loss = options.loss ?? 0.01;
    this.duplication = options.duplication ?? 0.02;
    const count = options.nodes ?? this.random.nextInteger(3, 5);
    this.ids = Array.from({ length: count }, (_, index) => String.fromCharCode(65 + index));
    this.cast = options.isVaried === true ? drawCast(this.random, this.ids) : uniformCast(this.ids);
    this.deaf = new Set(this.ids.filter((nodeId) => this.cast.get(nodeId)?.isDeafAtFirst));
    this.invariants = new ClusterInvariants(this.settings, {
      hasIndexRole: (nodeId) => this.cast.get(nodeId)?.roles.includes('index') === true,
      wasReached: (nodeId) => this.reached.has(nodeId),
    });
  }

  get alive(): SimulatedNode[] {
    return this.latest.filter((node) => node.isAlive);
  }

  /** The last things that happened, newest last. */
  get history(): readonly string[] {
    return this.log;
  }

  note(text: string): void {
    const event = `${(this.clock.now / 1000).toFixed(3)} ${text}`;
    this.options.record?.(event);
    this.log.push(event);
    if (this.log.length > 400) this.log.splice(0, 200);
  }

  start(nodeId: NodeId): void {
    if (this.nodes.get(nodeId)?.isAlive === true) return;
    if (!this.database.isUp || this.isCut(nodeId, 'database')) {
      // A supernode gets its incarnation from the database, and waits for it.
      this.clock.schedule(500, () => this.start(nodeId));
      return;
    }
    const member = this.cast.get(nodeId);
    if (member === undefined) return;
    const { region, roles, addresses } = member;
    const incarnation = this.database.nextIncarnation();
    const node = new SimulatedNode({
      clock: this.clock,
      self: {
        ...{ nodeId, incarnation, region, roles, addresses },
        version: '1.0.0',
        capacity: { connections: 1000, relayBytesPerSecond: 1e8, eventLoopDelayMs: 200 },
      },
      settings: settingsOfCores(this.settings, this.options.planted),
      seed: this.random.nextUint32(),
      clockRate: 1 + (this.random.nextFraction() - 0.5) * 0.06,
      clockOffsetMs: this.random.nextInteger(0, 1_000_000),
      planted: this.options.planted,
      perform: (self, output) => this.perform(self, performed(output, this.options.planted)),
      stepped: () => this.invariants.checkRights(this.latest),
    });
    this.nodes.set(nodeId, node);
    this.latest = [...this.nodes.values()];
    this.note(`start ${node.name}`);
    node.start();
    this.measure(node);
  }

  kill(nodeId: NodeId): void {
    const node = this.nodes.get(nodeId);
    if (node?.isAlive !== true) return;
    this.note(`kill ${node.name}`);
    node.kill();
  }

  cut(a: string, b: string): void {
    this.cuts.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  /** Everything works again, and everybody runs. */
  heal(): void {
    this.note('heal');
    this.isHealed = true;
    this.cuts.clear();
    this.deaf.clear();
    this.leases.isUp = true;
    this.database.isUp = true;
    this.loss = 0;
    this.duplication = 0;
    for (const node of this.alive) {
      if (node.isPaused) node.resume();
      if (node.core.state === 'draining') node.kill();
    }
    this.database.controls = { isFrozen: false, pins: {} };
    for (const nodeId of this.ids) if (this.nodes.get(nodeId)?.isAlive !== true) this.start(nodeId);
  }

  /** One coordinator, everybody follows the stored roster, and each slot has one supernode that may act for it. */
  get problem(): string | undefined {
    let coordinators = 0;
    for (const node of this.latest) {
      if (!node.isAlive) continue;
      const { epoch } = node.core.roster;
      if (epoch !== this.database.roster.epoch) return `${node.name} follows ${epoch}`;
      if (node.core.isCoordinator(node.now())) coordinators += 1;
    }
    if (coordinators !== 1) return `${coordinators} coordinators`;
    const owned = new Set(this.alive.flatMap((node) => [...node.rights().keys()]));
    if (owned.size !== this.settings.slotCount) return `${owned.size} slots are served`;
    return undefined;
  }

  /** Milliseconds until the cluster is as it should be; undefined when that takes longer than `limitMs`. */
  converge(limitMs: number): number | undefined {
    const from = this.clock.now;
    const isDone = this.clock.advanceUntil(() => this.problem === undefined, limitMs);
    return isDone ? this.clock.now - from : undefined;
  }

  private measure(node: SimulatedNode): void {
    if (!node.isAlive) return;
    const noise = 0.8 + 0.4 * this.random.nextFraction();
    node.measure(Math.min(1, (this.loads.get(node.nodeId) ?? 0.2) * noise));
    this.clock.schedule(1_000, () => this.measure(node));
  }

  private perform(node: SimulatedNode, output: ClusterOutput): void {
    const { name } = node;
    const { leases, database } = this;
    this.options.record?.(`${this.clock.now} ${name} ${JSON.stringify(output)}`);
    switch (output.kind) {
      case 'renew-lease':
        this.ask(node, 'leases', output, (now) => {
          const isHeld = leases.renew(output.record, output.ttlMs, now);
          return { kind: isHeld ? 'lease-renewed' : 'lease-refused', sentAt: output.sentAt };
        });
        break;
      case 'read-leases':
        this.ask(node, 'leases', output, (now) => ({
          kind: 'leases-read',
          sentAt: output.sentAt,
          records: leases.list(now),
        }));
        break;
      case 'hold-coordination':
        this.ask(node, 'leases', output, (now) => {
          const ttlMs = this.settings.coordinatorTtlMs;
          const isHeld = leases.hold(name, ttlMs, now);
          if (isHeld) this.coordinatesUntil.set(name, now + ttlMs);
          return { kind: isHeld ? 'coordination-held' : 'coordination-refused', sentAt: output.sentAt };
        });
        break;
      case 'read-roster':
        this.asking(node.nodeId);
        this.ask(node, 'database', output, () => ({
          kind: 'roster-read',
          sentAt: output.sentAt,
          roster: database.roster,
          controls: database.controls,
        }));
        break;
      case 'write-roster':
        this.invariants.rosterProposed(node, output, this.coordinatesUntil.get(name) ?? 0, this.clock.now);
        this.ask(node, 'database', output, () => {
          const isWritten = database.replace(output.roster, output.expectedEpoch);
          if (isWritten) {
            this.note(`${name} wrote ${describe(output)}`);
            this.invariants.rosterStored(output.roster);
          }
          const { sentAt, roster } = output;
          return { kind: 'roster-write-ended', sentAt, roster, outcome: isWritten ? 'written' : 'conflict' };
        });
        break;
      case 'probe':
        this.probe(node, output);
        break;
      case 'release-lease':
        this.send(node.nodeId, 'leases', () => leases.release(node.nodeId, node.core.identity.incarnation));
        break;
      case 'release-coordination':
        this.send(node.nodeId, 'leases', () => leases.releaseCoordination(name));
        break;
      case 'announce-roster':
        for (const other of this.alive) {
          this.send(node.nodeId, 'leases', () =>
            this.send('leases', other.nodeId, () =>
              other.handle({ kind: 'roster-announced', roster: output.roster }),
            ),
          );
        }
        break;
      case 'roster-adopted':
        this.note(`${name} follows ${output.roster.epoch}`);
        this.invariants.rosterFollowed(node, output.roster);
        break;
      case 'drained':
        this.note(`${name} drained`);
        this.clock.schedule(200, () => {
          node.handle({ kind: 'leave' });
          node.kill();
        });
        break;
      case 'ownership-changed':
        this.note(`${name} gained ${[...output.gained.keys()].join()} lost ${[...output.lost].join()}`);
        break;
      case 'standing-changed':
        this.note(`${name} ${output.from} -> ${output.to}: ${output.cause}`);
        break;
      case 'coordination-changed':
        this.note(`${name} ${output.isCoordinator ? 'coordinates' : 'ceases to coordinate'}`);
        break;
      default:
        break;
    }
  }

  /** What was to happen when it asks the next time happens just after it did. */
  private asking(nodeId: NodeId): void {
    const then = this.whenAsking.get(nodeId);
    if (then === undefined) return;
    this.whenAsking.delete(nodeId);
    this.clock.schedule(0.1, () => {
      if (!this.isHealed) then();
    });
  }

  private ask(
    node: SimulatedNode,
    store: 'leases' | 'database',
    request: Extract<ClusterOutput, { sentAt: unknown }>,
    answer: (now: number) => ClusterInput,
  ): void {
    this.send(node.nodeId, store, () => {
      const isUp = store === 'leases' ? this.leases.isUp : this.database.isUp;
      const input = isUp ? answer(this.clock.now) : failureOf(request);
      // A store that is away refuses at once, or says nothing.
      if (input === undefined || (!isUp && this.random.nextFraction() < 0.5)) return;
      this.send(store, node.nodeId, () => node.handle(input));
    });
  }

  private probe(node: SimulatedNode, output: Extract<ClusterOutput, { kind: 'probe' }>): void {
    const { nodeId, sentAt } = output;
    let isAnswered = false;
    const end = (input: ClusterInput) => {
      if (!isAnswered) node.handle(input);
      isAnswered = true;
      cancelTimeout();
    };
    const cancelTimeout = this.clock.schedule(output.timeoutMs, () =>
      end({ kind: 'probe-failed', nodeId, sentAt }),
    );
    this.send(node.nodeId, nodeId, () => {
      const target = this.nodes.get(nodeId);
      if (target?.isPaused === true) return;
      if (target?.isAlive !== true) {
        // The host of a dead process refuses the connection.
        this.send(nodeId, node.nodeId, () => end({ kind: 'probe-failed', nodeId, sentAt }));
        return;
      }
      const { identity } = target.core;
      // As the driver: null where there is no address to probe.
      const relayReached = output.addresses.stun === null ? null : !this.deaf.has(nodeId);
      if (relayReached !== false) this.reached.add(nodeId);
      this.send(nodeId, node.nodeId, () =>
        end({ kind: 'probe-answered', nodeId, sentAt, identity, relayReached }),
      );
    });
  }

  /** Delivers later, not at all, or twice. */
  private send(from: string, to: string, deliver: () => void): void {
    const { random } = this;
    if (random.nextFraction() < this.loss) return;
    const copies = random.nextFraction() < this.duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const isSlow = random.nextFraction() < 0.02;
      const delayMs = isSlow ? random.nextInteger(50, 1500) : 0.2 + random.nextFraction() * 5;
      this.clock.schedule(delayMs, () => {
        if (!this.isCut(from, to)) deliver();
      });
    }
  }

  private isCut(from: string, to: string): boolean {
    return this.cuts.size > 0 && this.cuts.has(`${from}>${to}`);
  }
}

function failureOf(request: Extract<ClusterOutput, { sentAt: unknown }>): ClusterInput | undefined {
  const { sentAt } = request;
  switch (request.kind) {
    case 'write-roster':
      return { kind: 'roster-write-ended', sentAt, roster: request.roster, outcome: 'failed' };
    case 'probe':
      return undefined;
    default:
      return { kind: 'request-failed', request: request.kind, sentAt };
  }
}

function describe({ roster }: Extract<ClusterOutput, { kind: 'write-roster' }>): string {
  const seats = roster.seats.map((seat, index) => {
    const slots = roster.owners.flatMap((owner, slot) => (owner === index ? [slot] : []));
    return `${seat.nodeId}#${seat.incarnation}*${seat.weight}[${slots.join()}]`;
  });
  return `${roster.epoch}: ${seats.join(' ')}`;
}
