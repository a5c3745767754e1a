import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, tenantIdSchema, type WireErrorCode } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { solve } from '../gateway/testing/edge-connection.ts';
import { Refusal } from '../refusal.ts';
import { RegistrationPuzzles } from './registration-puzzles.ts';

const SOURCE = '192.0.2.1';

function setUp(puzzleBits = 6) {
  const time = new ManualTime();
  return { time, puzzles: new RegistrationPuzzles({ puzzleBits }, time) };
}

function codeOf(action: () => void): WireErrorCode | 'accepted' {
  try {
    action();
    return 'accepted';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

describe('RegistrationPuzzles', () => {
  it('accepts a solution once', () => {
    const { puzzles } = setUp();
    const solved = solve(puzzles.issue(DEFAULT_TENANT, SOURCE));

    expect(codeOf(() => puzzles.spend(DEFAULT_TENANT, solved))).toBe('accepted');
    expect(codeOf(() => puzzles.spend(DEFAULT_TENANT, solved))).toBe('PUZZLE_EXPIRED');
  });

  it('refuses a solution without the demanded zero bits', () => {
    const { puzzles } = setUp(LIMITS.maxPuzzleDifficultyBits);
    const { challenge } = puzzles.issue(DEFAULT_TENANT, SOURCE);

    expect(codeOf(() => puzzles.spend(DEFAULT_TENANT, { challenge, solution: 'AAAA' }))).toBe(
      'PUZZLE_UNSOLVED',
    );
  });

  it('refuses what it did not issue: another tenant, another process, a lower difficulty, another length', () => {
    const { puzzles } = setUp();
    const solved = solve(puzzles.issue(DEFAULT_TENANT, SOURCE));
    const easier = Buffer.from(solved.challenge, 'base64url');
    easier.writeUInt8(0, 8);

    const refusals = [
      () => puzzles.spend(tenantIdSchema.parse('other'), solved),
      () => setUp().puzzles.spend(DEFAULT_TENANT, solved),
      () => puzzles.spend(DEFAULT_TENANT, { ...solved, challenge: easier.toString('base64url') }),
      () => puzzles.spend(DEFAULT_TENANT, { ...solved, challenge: 'AAAAAAAAAAAAAAAAAAAAAA' }),
    ];

    expect(refusals.map(codeOf)).toEqual(Array(4).fill('PUZZLE_EXPIRED'));
  });

  it('lets a puzzle end at its time', async () => {
    const { time, puzzles } = setUp();
    const solved = solve(puzzles.issue(DEFAULT_TENANT, SOURCE));
    await time.advance(LIMITS.puzzleLifetimeMs);

    expect(codeOf(() => puzzles.spend(DEFAULT_TENANT, solved))).toBe('PUZZLE_EXPIRED');
  });

  it('asks more of a source that takes many, and less again when it rests', async () => {
    const { time, puzzles } = setUp();
    const bits = (source: string) => puzzles.issue(DEFAULT_TENANT, source).difficultyBits;

    const taken = Array.from({ length: 65 }, () => bits(SOURCE));
    expect(taken[0]).toBe(6);
    expect(taken.at(-1)).toBe(10);
    expect(bits('198.51.100.7')).toBe(6);

    await time.advance(180_000);
    expect(bits(SOURCE)).toBe(6);
  });

  it('asks more of everybody when many are solved', () => {
    const { puzzles } = setUp(0);

    for (let solved = 0; solved < 1024; solved++) {
      const { challenge } = puzzles.issue(DEFAULT_TENANT, `source ${solved}`);
      // A difficulty that grew on the way is left unsolved: it would only cost this test time.
      codeOf(() => puzzles.spend(DEFAULT_TENANT, { challenge, solution: 'AAAA' }));
    }

    expect(puzzles.issue(DEFAULT_TENANT, 'another').difficultyBits).toBeGreaterThan(0);
  });

  it('asks no more of others because one source takes puzzles that it never solves', () => {
    const { puzzles } = setUp();

    for (let taken = 0; taken < 5000; taken++) puzzles.issue(DEFAULT_TENANT, SOURCE);

    expect(puzzles.issue(DEFAULT_TENANT, '198.51.100.7').difficultyBits).toBe(6);
  });

  it('asks for no more than the protocol allows', () => {
    const { puzzles } = setUp(27);

    for (let taken = 0; taken < 100; taken++) puzzles.issue(DEFAULT_TENANT, SOURCE);

    expect(puzzles.issue(DEFAULT_TENANT, SOURCE).difficultyBits).toBe(LIMITS.maxPuzzleDifficultyBits);
  });
});
