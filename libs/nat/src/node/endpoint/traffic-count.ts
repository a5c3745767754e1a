import type { TrafficCount } from './endpoint-types.ts';

export interface PathTraffic {
  readonly direct: Readonly<TrafficCount>;
  readonly relay: Readonly<TrafficCount>;
}

/** What all of them counted together. */
export function sumTraffic(parts: readonly PathTraffic[]): PathTraffic {
  return { direct: sum(parts.map(({ direct }) => direct)), relay: sum(parts.map(({ relay }) => relay)) };
}

function sum(counts: readonly Readonly<TrafficCount>[]): TrafficCount {
  const total = { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0 };
  for (const count of counts) {
    total.datagramsIn += count.datagramsIn;
    total.datagramsOut += count.datagramsOut;
    total.bytesIn += count.bytesIn;
    total.bytesOut += count.bytesOut;
  }
  return total;
}
