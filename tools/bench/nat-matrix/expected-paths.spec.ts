import { describe, expect, it } from '@jest/globals';
import { allPairs, EXPECTED_PATHS, OBSTACLES, TECHNIQUES } from './expected-paths.ts';
import { SCENARIOS } from './scenarios.ts';
import { SITE_KINDS, type SiteKind } from './site-kinds.ts';

/** Whose outside port is the same for every peer, and who lets datagrams of any port of a contacted address in. */
const STABLE: readonly SiteKind[] = ['none', 'ei-ei', 'ei-ad', 'ei-apd', 'cgn-hairpin', 'cgn'];
const ADMITS_OTHER_PORTS: readonly SiteKind[] = ['none', 'ei-ei', 'ei-ad'];
const SEQUENTIAL: readonly SiteKind[] = ['seq-1', 'seq-2', 'seq-7'];

/** The table again, from first principles. */
function isPossible(a: SiteKind, b: SiteKind): boolean {
  if (a === 'udp-blocked' || b === 'udp-blocked') return false;
  if (a === b && a === 'cgn') return false;
  if (a === b && a === 'dual-stack') return true;
  if (STABLE.includes(a) && STABLE.includes(b)) return true;
  if (ADMITS_OTHER_PORTS.includes(a) || ADMITS_OTHER_PORTS.includes(b)) return true;
  if ([a, b].every((site) => STABLE.includes(site) || SEQUENTIAL.includes(site))) return true;
  return STABLE.includes(a) || STABLE.includes(b); // guesses towards the random side
}

describe('the table of expected paths', () => {
  it('has every unordered pair once', () => {
    const keys = allPairs().map(({ a, b }) => [a, b].sort().join(' '));

    expect(keys).toHaveLength((SITE_KINDS.length * (SITE_KINDS.length + 1)) / 2);
    expect(new Set(keys).size).toBe(keys.length);
    expect(SITE_KINDS.map((kind) => EXPECTED_PATHS[kind].length)).toEqual(
      SITE_KINDS.map((_, index) => index + 1),
    );
  });

  it('says what mapping, filtering and ports of both sides allow', () => {
    const table = allPairs().map(({ a, b, expected }) => `${a} × ${b}: ${expected.path}`);
    const derived = allPairs().map(({ a, b }) => `${a} × ${b}: ${isPossible(a, b) ? 'direct' : 'relay'}`);

    expect(table).toEqual(derived);
  });

  it('uses every technique and every reason', () => {
    const used = new Set<string>(
      [...allPairs(), ...SCENARIOS].map(({ expected }) =>
        expected.path === 'direct' ? expected.by : expected.reason,
      ),
    );

    expect([...used].sort()).toEqual([...Object.keys(TECHNIQUES), ...Object.keys(OBSTACLES)].sort());
  });
});
