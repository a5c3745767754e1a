import { resolveRoleConflict } from './ice-role.ts';

describe('role conflict (RFC 8445 section 7.3.1.1)', () => {
  it.each([
    ['controlling', 5n, 'controlled', 9n, 'none'],
    ['controlled', 5n, 'controlling', 9n, 'none'],
    ['controlling', 9n, 'controlling', 5n, 'refuse'],
    ['controlling', 5n, 'controlling', 9n, 'switch'],
    ['controlling', 5n, 'controlling', 5n, 'refuse'],
    ['controlled', 9n, 'controlled', 5n, 'switch'],
    ['controlled', 5n, 'controlled', 9n, 'refuse'],
    ['controlled', 5n, 'controlled', 5n, 'switch'],
  ] as const)(
    '%s with %d, asked by %s with %d: %s',
    (role, tiebreaker, theirRole, theirTiebreaker, expected) => {
      expect(
        resolveRoleConflict({ role, tiebreaker }, { role: theirRole, tiebreaker: theirTiebreaker }),
      ).toBe(expected);
    },
  );
});
