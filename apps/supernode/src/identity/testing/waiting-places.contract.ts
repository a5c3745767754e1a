import { expect, it } from '@jest/globals';
import { DEFAULT_TENANT } from '@parley/protocol';
import type { NodeId } from '../../cluster/node-record.ts';
import type { WaitingPlaces } from '../waiting-places.port.ts';
import { SigningDevice } from './signing-device.ts';

/** What every implementation of the port must do. `make` gives the places as the supernode `self` has them. */
export function waitingPlacesContract(make: (self: NodeId) => WaitingPlaces): void {
  it('says that a device waits here, however often it is noted, and keeps devices apart', async () => {
    const places = make('here');
    const [phone, laptop] = [new SigningDevice().deviceId, new SigningDevice().deviceId];
    for (const device of [phone, laptop, phone]) await places.note(DEFAULT_TENANT, device);
    expect(await places.find(DEFAULT_TENANT, phone)).toBe('here');
    expect(await places.find(DEFAULT_TENANT, laptop)).toBe('here');
  });

  it('never names another supernode than one where a device was noted', async () => {
    const places = make('here');
    expect([undefined, 'here']).toContain(await places.find(DEFAULT_TENANT, new SigningDevice().deviceId));
  });
}
