import { RelayPlaces, relayPortsOf } from './relay-places.ts';

describe('RelayPlaces', () => {
  const places = new RelayPlaces([
    { nodeId: 'node-1', server: '127.0.0.1:40001' },
    { nodeId: 'node-2', server: '127.0.0.1:40002' },
  ]);

  it('knows a supernode by the address of its server', () => {
    expect(places.nodeAt('127.0.0.1:40001')).toBe('node-1');
    expect(places.nodeAt('127.0.0.1:40002')).toBe('node-2');
  });

  it('knows a supernode by any of the relay ports that it was given', () => {
    const rangeOf = (at: number) => String(relayPortsOf(at)['SUPERNODE_RELAY_PORT_RANGE']).split('-');
    for (const port of rangeOf(0)) expect(places.nodeAt(`127.0.0.1:${port}`)).toBe('node-1');
    for (const port of rangeOf(1)) expect(places.nodeAt(`127.0.0.1:${port}`)).toBe('node-2');
  });

  it('says so where it knows nobody', () => {
    expect(places.nodeAt('127.0.0.1:40003')).toBeUndefined();
    expect(places.nodeAt('127.0.0.1:21999')).toBeUndefined();
    expect(places.nodeAt(`127.0.0.1:${22_000 + 2 * 2_000}`)).toBeUndefined();
  });
});
