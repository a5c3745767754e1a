import type { Instant } from '@parley/nat';
import { SeededRandom, type VirtualClock } from '@parley/nat/testing';
import { EMPTY_ROSTER, slotsOf } from '../../roster.ts';
import type { Slot } from '../../slot.ts';
import { ClusterCore } from '../cluster-core.ts';
import type { ClusterInput, ClusterOutput, OwnNode } from '../cluster-io.ts';
import type { ClusterSettings } from '../cluster-settings.ts';
import type { ObservedNode } from './cluster-invariants.ts';
import { heard, type PlantedFault } from './planted-faults.ts';

export interface SimulatedNodeOptions {
  readonly clock: VirtualClock;
  readonly self: OwnNode;
  readonly settings: ClusterSettings;
  readonly seed: number;
  /** Milliseconds of its monotonic clock per millisecond of real time. */
  readonly clockRate: number;
  readonly clockOffsetMs: number;
  readonly planted: PlantedFault | undefined;
  readonly perform: (node: SimulatedNode, output: ClusterOutput) => void;
  readonly stepped: () => void;
}

/** One run of a supernode: a core with a clock of its own, which may be stopped for a while or for good. */
export class SimulatedNode implements ObservedNode {
  readonly core: ClusterCore;
  readonly name: string;
  readonly nodeId: string;
  isAlive = true;
  isPaused = false;
  isToldToFreeze = false;
  private toldAt = Number.NEGATIVE_INFINITY;
  /** Everything that it ever gained, where it does not heed that it lost some. */
  private readonly kept = new Map<Slot, number>();
  private offsetMs: number;
  private pausedAt = 0;
  private eventLoopDelayMs = 2;
  private readonly startedAt: number;
  private waiting: (() => void)[] = [];
  private cancelTimer: (() => void) | undefined;
  private armedAt: Instant | undefined;

  constructor(private readonly options: SimulatedNodeOptions) {
    const { self, settings, seed } = options;
    const random = new SeededRandom(seed);
    this.nodeId = self.nodeId;
    this.name = `${self.nodeId}#${self.incarnation}`;
    this.startedAt = options.clock.now;
    this.offsetMs = options.clockOffsetMs;
    this.core = new ClusterCore({ self, settings, nextFraction: () => random.nextFraction() }, this.now());
  }

  now(): Instant {
    return (this.options.clock.now * this.options.clockRate + this.offsetMs) as Instant;
  }

  start(): void {
    this.run(this.timeout);
  }

  handle(input: ClusterInput): void {
    this.run(() => {
      this.noteControls(input);
      const now = this.now();
      return this.core.handle(heard(input, this.core, this.options.planted), now);
    });
  }

  /** As the core does: controls of the newest reading that is no older than the roster that it follows. */
  private noteControls(input: ClusterInput): void {
    if (input.kind !== 'roster-read' || input.sentAt <= this.toldAt) return;
    if (input.roster.epoch < this.core.roster.epoch) return;
    this.toldAt = input.sentAt;
    this.isToldToFreeze = input.controls.isFrozen;
  }

  measure(connections: number): void {
    this.handle({
      kind: 'measured',
      load: {
        connections,
        cpu: connections,
        memory: 0.3,
        eventLoopDelayMs: this.eventLoopDelayMs,
        relayBytesPerSecond: 0,
      },
      uptimeMs: this.options.clock.now - this.startedAt,
    });
  }

  /** Its event loop is late from now on. */
  degrade(): void {
    this.eventLoopDelayMs = 1_000;
  }

  rights(): ReadonlyMap<Slot, number> {
    const { core } = this;
    if (!this.isAlive) return NOTHING;
    switch (this.options.planted) {
      case 'owner acts after its tenure has ended':
        return slotsOf(core.roster, this.nodeId, this.options.self.incarnation);
      case 'owner acts for slots that it lost': {
        const tenures = core.tenures(this.now());
        for (const [slot, epoch] of tenures) this.kept.set(slot, epoch);
        return tenures.size === 0 ? tenures : new Map(this.kept);
      }
      default:
        return core.tenures(this.now());
    }
  }

  /** SIGSTOP: nothing runs, but its clock does. */
  pause(): void {
    this.isPaused = true;
    this.pausedAt = this.options.clock.now;
  }

  /** SIGCONT: all that waited happens now, in the order in which it came. */
  resume(): void {
    this.isPaused = false;
    if (this.options.planted === 'clock stands still while the process does') {
      this.offsetMs -= (this.options.clock.now - this.pausedAt) * this.options.clockRate;
    }
    const waiting = this.waiting;
    this.waiting = [];
    for (const step of waiting) step();
  }

  kill(): void {
    this.isAlive = false;
    this.cancelTimer?.();
  }

  private readonly fire = () => {
    this.armedAt = undefined;
    this.run(this.timeout);
  };

  private readonly timeout = () => this.core.handleTimeout(this.now());

  private run(step: () => readonly ClusterOutput[]): void {
    if (!this.isAlive) return;
    if (this.isPaused) {
      this.waiting.push(() => this.run(step));
      return;
    }
    for (const output of step()) this.options.perform(this, output);
    this.arm();
    this.options.stepped();
  }

  private arm(): void {
    const at = this.core.nextTimeoutAt();
    if (at === this.armedAt) return;
    this.cancelTimer?.();
    this.armedAt = at;
    if (at === undefined) return;
    // A little late, as timers are; never early.
    const realAt = (at - this.offsetMs) / this.options.clockRate + 0.01;
    const delayMs = Math.max(0.01, realAt - this.options.clock.now);
    this.cancelTimer = this.options.clock.schedule(delayMs, this.fire);
  }
}

const NOTHING: ReadonlyMap<Slot, number> = slotsOf(EMPTY_ROSTER, '', 0);
