/** How many seats a region should have: enough for the clients online with some to spare, between a minimum and a maximum. */
import type { ClusterSettings } from './cluster-settings.ts';

export interface RegionLoad {
  /** Clients connected to supernodes of the region now. */
  readonly connections: number;
  /** Connections that one supernode of the region can hold, on average. */
  readonly capacity: number;
}

export type SeatSettings = Pick<
  ClusterSettings,
  'minimumSeats' | 'maximumSeats' | 'spareSeats' | 'growFill' | 'shrinkFill'
>;

/** Seats so that those that are no spare are filled to `fill` at most. */
function seatsAtFill(load: RegionLoad, fill: number, settings: SeatSettings): number {
  const busy = load.capacity > 0 ? Math.ceil(load.connections / (load.capacity * fill)) : 0;
  const wanted = Math.max(busy, 1) + settings.spareSeats;
  return Math.min(settings.maximumSeats, Math.max(settings.minimumSeats, wanted));
}

/** Fewer seats than this are too few. */
export function seatsNeeded(load: RegionLoad, settings: SeatSettings): number {
  return seatsAtFill(load, settings.growFill, settings);
}

/**
 * More seats than this are too many. Far above {@link seatsNeeded} for the same load, because it reckons with a lower fill: between
 * the two nothing changes, whatever the noise.
 */
export function seatsTolerated(load: RegionLoad, settings: SeatSettings): number {
  return seatsAtFill(load, settings.shrinkFill, settings);
}

/** Seats below which the loss of one leaves too few for the clients online, even with those left filled completely. */
export function seatsForOneLoss(load: RegionLoad): number {
  return load.capacity > 0 ? Math.ceil(load.connections / load.capacity) + 1 : 1;
}
