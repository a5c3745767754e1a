import type { TrafficCount } from './endpoint-types.ts';

export function noTraffic(): TrafficCount {
  return { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0 };
}

export function addTraffic(total: TrafficCount, part: Readonly<TrafficCount>): void {
  total.datagramsIn += part.datagramsIn;
  total.datagramsOut += part.datagramsOut;
  total.bytesIn += part.bytesIn;
  total.bytesOut += part.bytesOut;
}
