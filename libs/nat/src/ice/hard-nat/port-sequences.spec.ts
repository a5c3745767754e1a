import fc from 'fast-check';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { FIRST_DYNAMIC_PORT, LAST_PORT, portAhead, RandomPorts, sprayOffset } from './port-sequences.ts';

describe('portAhead', () => {
  it.each([
    [5000, 2, 3, 5006],
    [65_534, 1, 3, 1025],
    [1025, -1, 3, 65_534],
  ])('from %i in steps of %i, %i ahead: %i', (latest, step, count, expected) => {
    expect(portAhead(latest, step, count)).toBe(expected);
  });
});

describe('sprayOffset', () => {
  /** Ports that neighbours take before a check, as index of the check. */
  function mappingsOf(checks: number, taken: readonly number[]): readonly number[] {
    return Array.from({ length: checks }, (_unused, index) => {
      return 1 + index + taken.filter((at) => at <= index).length;
    });
  }

  it('two sprays meet whatever other hosts take before and meanwhile', () => {
    const noise = fc
      .tuple(fc.integer({ min: 0, max: 30 }), fc.array(fc.integer({ min: 1, max: 511 }), { maxLength: 30 }))
      .map(([before, meanwhile]) => [...Array.from({ length: before }, () => 0), ...new Set(meanwhile)]);
    fc.assert(
      fc.property(noise, noise, (takenFromA, takenFromB) => {
        const a = mappingsOf(512, takenFromA);
        const b = mappingsOf(512, takenFromB);
        const aimsOfB = new Map(b.map((mapping, index) => [mapping, sprayOffset(index, 4)]));

        const meetings = a.filter((mapping, index) => aimsOfB.get(sprayOffset(index, undefined)) === mapping);
        expect(meetings.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  it('without skipping they never meet where somebody took a port', () => {
    const a = mappingsOf(512, [0]);
    const b = mappingsOf(512, []);
    const aims = new Map(b.map((mapping, index) => [mapping, sprayOffset(index, undefined)]));

    expect(a.filter((mapping, index) => aims.get(sprayOffset(index, undefined)) === mapping)).toEqual([]);
  });
});

describe('RandomPorts', () => {
  it('every dynamic port once, in no order', () => {
    const ports = new RandomPorts(nodeCrypto);
    const drawn: number[] = [];
    for (let port = ports.next(); port !== undefined; port = ports.next()) drawn.push(port);

    expect(drawn).toHaveLength(LAST_PORT - FIRST_DYNAMIC_PORT + 1);
    expect(new Set(drawn).size).toBe(drawn.length);
    expect([Math.min(...drawn.slice(0, 2000)), Math.max(...drawn.slice(0, 2000))]).toEqual([
      expect.any(Number),
      expect.any(Number),
    ]);
    const low = drawn.slice(0, 2048).filter((port) => port < 33_280).length;
    expect(low).toBeGreaterThan(850);
    expect(low).toBeLessThan(1200);
  });
});
