import fc from 'fast-check';
import { classifyPortSequence } from './port-allocation.ts';

function samplesOf(ports: readonly number[]) {
  return ports.map((externalPort, index) => ({ localPort: 40_000 + 37 * index, externalPort }));
}

describe('classifyPortSequence', () => {
  it.each([
    ['one by one', [5000, 5001, 5002, 5003, 5004], { kind: 'sequential', step: 1 }],
    ['by two', [5000, 5002, 5004, 5006, 5008], { kind: 'sequential', step: 2 }],
    ['by seven, a neighbour in between', [5000, 5007, 5021, 5028, 5035], { kind: 'sequential', step: 7 }],
    ['downwards', [5004, 5003, 5002, 5001, 5000], { kind: 'sequential', step: -1 }],
    [
      'around the end of its own range',
      [34_094, 34_095, 30_000, 30_001, 30_002],
      { kind: 'sequential', step: 1 },
    ],
    ['around the last port', [65_533, 65_534, 65_535, 1024, 1025], { kind: 'sequential', step: 1 }],
    ['without order', [5000, 61_234, 1200, 33_333, 20_001], { kind: 'random' }],
    ['the same port always', [5000, 5000, 5000, 5000, 5000], { kind: 'random' }],
    ['too few to tell', [5000, 5001, 5002], { kind: 'unknown' }],
  ])('%s', (_name, ports, expected) => {
    expect(classifyPortSequence(samplesOf(ports))).toEqual(expected);
  });

  it('external ports that are the local ones are preserved', () => {
    const samples = [40_000, 51_234, 33_333, 60_001].map((port) => ({ localPort: port, externalPort: port }));

    expect(classifyPortSequence(samples)).toEqual({ kind: 'preserving' });
  });

  it('finds any step up to 64, whatever a neighbour takes once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1024, max: 60_000 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 3 }),
        (step, first, taken, at) => {
          const ports = [0, 1, 2, 3, 4].map((index) => first + step * (index + (index > at ? taken : 0)));

          expect(classifyPortSequence(samplesOf(ports))).toEqual({ kind: 'sequential', step });
        },
      ),
    );
  });

  it('random ports are hardly ever taken for sequential ones', () => {
    let wrong = 0;
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1024, max: 65_535 }), { minLength: 5, maxLength: 5 }),
        (ports) => {
          if (classifyPortSequence(samplesOf(ports)).kind === 'sequential') wrong += 1;
        },
      ),
      { numRuns: 2000, seed: 1 },
    );
    expect(wrong).toBeLessThan(2000 / 20);
  });
});
