import { describe, expect, it, jest } from '@jest/globals';
import { labAvailability } from '../natlab/availability.ts';
import { createLab } from '../natlab/lab.ts';

/** Processes start slowly on a machine that does other things too. */
const TIMEOUT_MS = 120_000;

/** A suite on real processes and kernel NATs; where there can be none, the lab has to say so. */
export function describePaths(name: string, suite: () => void): void {
  jest.setTimeout(TIMEOUT_MS);
  const availability = labAvailability();
  if (availability.kind === 'kernel-nat') {
    describe(`paths › ${name}`, suite);
    return;
  }
  describe(`paths › ${name}`, () => {
    it(`cannot be tried on this machine: ${availability.reason}`, async () => {
      await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
    });
  });
}
