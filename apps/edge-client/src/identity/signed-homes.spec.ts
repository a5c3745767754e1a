import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type Signed, type UserId } from '@parley/protocol';
import { homesOf, newRosterKey } from '../testing/roster-homes.ts';
import { judgeHomes, type HomesExpectation } from './signed-homes.ts';

const [old, current, next, stranger] = [newRosterKey(), newRosterKey(), newRosterKey(), newRosterKey()];
const NOW = 1_500_000;

const expected: HomesExpectation = {
  clusterId: 'fake-cluster',
  tenant: DEFAULT_TENANT,
  userId: 'u.alice' as UserId,
  rosterKeys: [current.text],
  epoch: 7,
  notBefore: 1_000_000,
};

const judge = (statements: readonly Signed[], change: Partial<HomesExpectation> = {}, now = NOW) =>
  judgeHomes(statements, { ...expected, ...change }, now);

const reasonOf = (...parameters: Parameters<typeof judge>) => {
  const verdict = judge(...parameters);
  return verdict.ok ? 'taken' : verdict.reason;
};

function altered([first, ...others]: Signed[], change: Partial<Signed>): Signed[] {
  return first ? [{ ...first, ...change }, ...others] : [];
}

describe('judgeHomes (DESIGN 5.6)', () => {
  it('takes a list that a pinned key has signed, and the same again', () => {
    expect(judge(homesOf([current]))).toMatchObject({
      ok: true,
      homes: { homes: ['https://home1.example', 'https://home2.example'], rosterKeys: [current.text] },
    });
  });

  it('takes the keys of the first list as they are, if one of them has signed it', () => {
    expect(reasonOf(homesOf([stranger]), { rosterKeys: [] })).toBe('taken');
    expect(reasonOf(homesOf([stranger], { rosterKeys: [current.text] }), { rosterKeys: [] })).toBe(
      'homes-forged',
    );
  });

  it('follows a rotation that it sees while both keys sign, and no other', () => {
    const verdict = judge(homesOf([next, current]));
    expect(verdict).toMatchObject({ ok: true, statement: { signer: current.text } });
    expect(verdict.ok && verdict.homes.rosterKeys).toEqual([next.text, current.text]);

    // Both are pinned now: the older one may be left behind.
    expect(reasonOf(homesOf([next]), { rosterKeys: [next.text, current.text] })).toBe('taken');
    expect(reasonOf(homesOf([next]))).toBe('homes-unknown-key');
    expect(reasonOf(homesOf([current]), { rosterKeys: [old.text] })).toBe('homes-unknown-key');
  });

  it('refuses what is forged, whoever is named as the signer', () => {
    const [signed] = homesOf([stranger]);
    const forged = altered(homesOf([current]), { signature: signed?.signature ?? '' });
    expect(reasonOf(forged)).toBe('homes-forged');
    expect(reasonOf(altered(homesOf([current]), { payload: signed?.payload ?? '' }))).toBe('homes-forged');
    expect(reasonOf(altered(homesOf([stranger]), { signer: current.text }))).toBe('homes-forged');
    expect(reasonOf([])).toBe('homes-forged');
    // A signature for something else is no signature for this.
    expect(reasonOf(homesOf([current], {}, 'deviceList'))).toBe('homes-forged');
  });

  it('goes by the one good statement beside bad ones', () => {
    const bad = altered(homesOf([current]), { payload: 'e30' });
    expect(reasonOf([...homesOf([stranger]), ...bad, ...homesOf([current])])).toBe('taken');
  });

  it.each([
    ['another cluster', { clusterId: 'other' }, 'homes-other-cluster'],
    ['another user', { userId: 'u.bob' as UserId }, 'homes-other-user'],
    ['another tenant', { tenant: 'other' as typeof DEFAULT_TENANT }, 'homes-other-user'],
    ['a time that is over', { notAfter: NOW }, 'homes-expired'],
    ['an older roster', { epoch: 6 }, 'homes-outdated'],
    ['the same roster, but older', { notBefore: 999_999 }, 'homes-outdated'],
    ['no homes', { homes: [] }, 'homes-malformed'],
    ['too many homes', { homes: Array.from({ length: 4 }, () => 'https://a.example') }, 'homes-malformed'],
    ['an endless address', { homes: [`https://${'a'.repeat(300)}.example`] }, 'homes-malformed'],
    ['too many keys', { rosterKeys: Array.from({ length: 5 }, () => current.text) }, 'homes-malformed'],
  ])('refuses a signed list of %s', (_what, change, reason) => {
    expect(reasonOf(homesOf([current], change))).toBe(reason);
  });

  it('takes a newer roster, and a newer list of the same', () => {
    expect(reasonOf(homesOf([current], { epoch: 8, notBefore: 1 }))).toBe('taken');
    expect(reasonOf(homesOf([current], { notBefore: 1_000_001 }))).toBe('taken');
  });
});
