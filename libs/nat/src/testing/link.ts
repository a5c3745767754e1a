/** The imperfections of a line, drawn from the seed of the network. */
import type { SeededRandom } from './seeded-random.ts';

export interface LinkOptions {
  /** One way. @default 0 */
  readonly latencyMs?: number;
  /** Up to this much is added to the latency of each packet; packets may overtake each other. @default 0 */
  readonly jitterMs?: number;
  /** Share of packets that vanish, 0 to 1. @default 0 */
  readonly lossRate?: number;
  /** Share of packets that arrive twice, 0 to 1. @default 0 */
  readonly duplicationRate?: number;
  /** Share of packets that arrive late by {@link reorderDelayMs}, 0 to 1. @default 0 */
  readonly reorderRate?: number;
  /** @default 20 */
  readonly reorderDelayMs?: number;
}

const DEFAULT_REORDER_DELAY_MS = 20;

/** The delay of each copy that comes out of the line; none where the packet is lost. */
export function copyDelays(link: LinkOptions, random: SeededRandom): readonly number[] {
  if (happens(link.lossRate, random)) return [];
  const delays = [delayOf(link, random)];
  if (happens(link.duplicationRate, random)) delays.push(delayOf(link, random));
  return delays;
}

function delayOf(link: LinkOptions, random: SeededRandom): number {
  const jitter = link.jitterMs === undefined ? 0 : random.nextFraction() * link.jitterMs;
  const late = happens(link.reorderRate, random) ? (link.reorderDelayMs ?? DEFAULT_REORDER_DELAY_MS) : 0;
  return (link.latencyMs ?? 0) + jitter + late;
}

function happens(rate: number | undefined, random: SeededRandom): boolean {
  return rate !== undefined && rate > 0 && random.nextFraction() < rate;
}
