import { availableParallelism, totalmem } from 'node:os';
import { monitorEventLoopDelay, performance, type IntervalHistogram } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { LoadVector } from './node-record.ts';

/** What the meter cannot see from inside the process's own figures. */
export interface LoadSources {
  connections(): number;
  /** Bytes relayed since the relay began to count; undefined while that is not known. */
  relayedBytes(): Promise<number | undefined>;
}

const RESOLUTION_MS = 10;
const NANOSECONDS = 1_000_000;
/** Samples over which the highest event-loop delay is taken, so that one calm second hides nothing. */
const DELAY_SAMPLES = 5;

/** How busy this supernode is, measured between two samples. */
export class LoadMeter {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private readonly delays: number[] = [];
  private at = performance.now();
  private cpu = process.cpuUsage();
  private loop = performance.eventLoopUtilization();
  private relayed: number | undefined;

  constructor(private readonly sources: LoadSources) {
    this.delay.enable();
  }

  async sample(): Promise<LoadVector> {
    const relayed = await this.sources.relayedBytes();
    const now = performance.now();
    const elapsedMs = Math.max(1, now - this.at);
    this.at = now;
    return {
      connections: this.sources.connections(),
      cpu: this.cpuShare(elapsedMs),
      memory: memoryShare(),
      eventLoopDelayMs: this.eventLoopDelay(),
      relayBytesPerSecond: this.relayRate(relayed, elapsedMs),
    };
  }

  stop(): void {
    this.delay.disable();
  }

  /** The main thread is one of many: its own use counts, and that of all threads against all processors. */
  private cpuShare(elapsedMs: number): number {
    const used = process.cpuUsage(this.cpu);
    this.cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.loop);
    this.loop = loop;
    const ofAll = (used.user + used.system) / 1000 / elapsedMs / availableParallelism();
    return share(Math.max(utilization, ofAll));
  }

  private eventLoopDelay(): number {
    const percentile = this.delay.percentile(99) / NANOSECONDS;
    this.delay.reset();
    // The histogram measures from tick to tick: an idle loop shows the resolution.
    this.delays.push(Number.isFinite(percentile) ? Math.max(0, percentile - RESOLUTION_MS) : 0);
    if (this.delays.length > DELAY_SAMPLES) this.delays.shift();
    return Math.max(...this.delays);
  }

  private relayRate(relayed: number | undefined, elapsedMs: number): number {
    const before = this.relayed;
    this.relayed = relayed;
    // A relay that was started again counts from zero.
    if (relayed === undefined || before === undefined || relayed < before) return 0;
    return ((relayed - before) * 1000) / elapsedMs;
  }
}

/** A process ends at the limit of its container or machine, or of its heap, whichever comes first. */
function memoryShare(): number {
  const { rss, heapUsed } = process.memoryUsage();
  return share(Math.max(rss / memoryLimit(), heapUsed / getHeapStatistics().heap_size_limit));
}

/** Bytes that this process may use: the limit of its control group, else what the machine has. */
export function memoryLimit(constrained = process.constrainedMemory(), total = totalmem()): number {
  // 0 where there is no limit or none is known; without one, some systems give a number beyond all memory.
  return constrained > 0 ? Math.min(constrained, total) : total;
}

function share(value: number): number {
  return Math.min(1, Math.max(0, value));
}
