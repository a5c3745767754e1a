import { describe, expect, it } from '@jest/globals';
import { withoutProgram } from './describe-cluster.ts';

describe('a suite whose programs are missing', () => {
  it.each([
    [{ CI: 'true' }, 'fail'],
    [{ CI: 'false' }, 'skip'],
    [{}, 'skip'],
  ] as const)('with %j becomes: %s', (environment, expected) => {
    expect(withoutProgram(environment)).toBe(expected);
  });
});
