/** From the external ports of mappings that were made one right after the other, how a NAT chooses them. */
import type { PortAllocationReport } from './behaviour-report.ts';

/** Of one throw-away socket: its own port, and the one that a server saw. */
export interface PortSample {
  readonly localPort: number;
  readonly externalPort: number;
}

const MIN_SAMPLES = 4;
/** Steps beyond this are taken for chance. Carrier NATs count by 1 or 2, some by the number of their cores. */
const MAX_STEP = 64;
/** Other hosts make mappings in between; the samples leave within a millisecond, so they are few. */
const MAX_STEPS_BETWEEN = 16;
const PORT_COUNT = 65_536;

/**
 * A NAT is sequential where all distances but one are multiples of the commonest one: other hosts may have taken ports in
 * between, and the range may have begun anew.
 */
export function classifyPortSequence(samples: readonly PortSample[]): PortAllocationReport {
  if (samples.length < MIN_SAMPLES) return { kind: 'unknown' };
  if (samples.every(({ localPort, externalPort }) => localPort === externalPort))
    return { kind: 'preserving' };
  const distances = samples.slice(1).map(({ externalPort }, index) => {
    const previous = samples[index]?.externalPort ?? externalPort;
    return shortest(externalPort - previous);
  });
  const step = smallest(distances);
  const fitting = distances.filter((distance) => isMultiple(distance, step));
  const exact = distances.filter((distance) => distance === step);
  const isSequential =
    step !== 0 &&
    Math.abs(step) <= MAX_STEP &&
    fitting.length >= distances.length - 1 &&
    2 * exact.length >= distances.length;
  return isSequential ? { kind: 'sequential', step } : { kind: 'random' };
}

function isMultiple(distance: number, step: number): boolean {
  const count = distance / step;
  return Number.isInteger(count) && count >= 1 && count <= MAX_STEPS_BETWEEN;
}

function smallest(distances: readonly number[]): number {
  return distances.reduce(
    (best, distance) => (Math.abs(distance) < Math.abs(best) ? distance : best),
    Infinity,
  );
}

/** The short way around the end of the port range. */
function shortest(difference: number): number {
  const wrapped = ((difference % PORT_COUNT) + PORT_COUNT) % PORT_COUNT;
  return wrapped > PORT_COUNT / 2 ? wrapped - PORT_COUNT : wrapped;
}
