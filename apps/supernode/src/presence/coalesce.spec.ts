import fc from 'fast-check';
import { coalesce, visibleTo, type DeviceState } from './coalesce.ts';

const device = (state: DeviceState['state'], over: Partial<DeviceState> = {}): DeviceState => ({
  state,
  present: true,
  statusText: null,
  setAt: 0,
  ...over,
});

const anyDevice = fc.record({
  state: fc.constantFrom('online' as const, 'away' as const, 'busy' as const, 'invisible' as const),
  present: fc.boolean(),
  statusText: fc.option(fc.string(), { nil: null }),
  setAt: fc.nat(),
});

describe('coalescing rule', () => {
  it.each([
    [[], 'offline'],
    [[device('online', { present: false })], 'offline'],
    [[device('away'), device('online')], 'online'],
    [[device('online'), device('busy')], 'busy'],
    [[device('busy'), device('invisible')], 'invisible'],
    [[device('online'), device('invisible', { present: false })], 'online'],
  ] as const)('makes one state of %j', (devices, state) => {
    expect(coalesce([...devices]).state).toBe(state);
  });

  it('takes the newest status text', () => {
    const devices = [
      device('online', { statusText: 'old', setAt: 1 }),
      device('away', { statusText: 'new', setAt: 2 }),
    ];
    expect(coalesce(devices).statusText).toBe('new');
  });

  it('does not depend on the order of the devices', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyDevice, { selector: (d) => d.setAt }), (devices) => {
        expect(coalesce([...devices].reverse())).toEqual(coalesce(devices));
      }),
    );
  });

  it('never shows others a trace of a present device that hides', () => {
    fc.assert(
      fc.property(fc.array(anyDevice), (devices) => {
        const hidden = coalesce([...devices, device('invisible', { statusText: 'secret' })]);
        expect(visibleTo(hidden)).toEqual(coalesce([]));
      }),
    );
  });
});
